import threading
from contextlib import suppress

import pytest
from sqlalchemy import select, update

from video2mp3.accounts import sign_ins, users
from video2mp3.accounts.hashes import sha256_of
from video2mp3.accounts.sign_ins import Device, IssuedSession, Kind
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import SignIn, User
from video2mp3.errors import DatabaseUnavailable, NotFound


def _start(database: Database, user: User, kind: Kind = "refresh", lifetime_s: int = 60) -> str:
    with database.write() as session:
        return sign_ins.start(session, user, kind, lifetime_s=lifetime_s).secret


def _refresh(database: Database, token: str) -> str | None:
    with database.write() as session:
        refreshed = sign_ins.refresh(session, token, lifetime_s=60)
    return refreshed.secret if refreshed else None


def _expire_all(database: Database) -> None:
    with database.write() as session:
        session.execute(update(SignIn).values(expires_at=now() - SECOND))


def test_only_the_hash_of_a_secret_is_stored(database: Database, ada: User) -> None:
    secret = _start(database, ada)
    with database.read() as session:
        row = session.scalars(select(SignIn)).one()
    stored = [str(value) for name, value in vars(row).items() if not name.startswith("_")]
    assert not any(secret in value for value in stored)
    assert any(sha256_of(secret) in value for value in stored)


def test_each_refresh_token_is_followed_by_the_next(database: Database, ada: User) -> None:
    token = _start(database, ada)
    for _ in range(3):
        with database.write() as session:
            refreshed = sign_ins.refresh(session, token, lifetime_s=60)
        assert refreshed is not None
        assert refreshed.user_id == ada.id
        assert refreshed.secret != token
        token = refreshed.secret


def test_a_refresh_token_used_twice_ends_its_family_and_no_other(database: Database, ada: User) -> None:
    first, other = _start(database, ada), _start(database, ada)
    second = _refresh(database, first)
    assert second is not None
    third = _refresh(database, second)
    assert third is not None
    assert _refresh(database, first) is None
    assert _refresh(database, third) is None
    assert _refresh(database, other) is not None


def test_an_expired_refresh_token_is_refused_and_stays_expired(database: Database, ada: User) -> None:
    token = _start(database, ada)
    _expire_all(database)
    assert _refresh(database, token) is None
    assert _refresh(database, token) is None


def test_a_family_lives_on_after_its_first_token_would_have_expired(database: Database, ada: User) -> None:
    first = _start(database, ada, lifetime_s=60)
    with database.write() as session:
        longer = sign_ins.refresh(session, first, lifetime_s=600)
        assert longer is not None
        expiries = set(session.scalars(select(SignIn.expires_at - now() > 300 * SECOND)))
    assert expiries == {True}


def test_parallel_refreshes_of_one_token_leave_at_most_one_chain(database: Database, ada: User) -> None:
    token = _start(database, ada)
    started = threading.Barrier(20)
    answers: list[str | None] = []

    def refresh() -> None:
        started.wait()
        try:
            answers.append(_refresh(database, token))
        except DatabaseUnavailable:
            answers.append(None)

    threads = [threading.Thread(target=refresh) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [answer for answer in answers if answer]
    assert len(answers) == 20
    assert len(won) == 1
    # The nineteen others used it a second time, so its family has ended.
    assert _refresh(database, won[0]) is None


def test_a_refresh_and_the_end_of_its_family_never_leave_a_live_token(database: Database, ada: User) -> None:
    for _ in range(10):
        first = _start(database, ada)
        second = _refresh(database, first)
        assert second is not None
        started = threading.Barrier(2)
        after: list[str | None] = []

        def go_on(token: str, started: threading.Barrier, after: list[str | None]) -> None:
            started.wait()
            after.append(_refresh(database, token))

        thread = threading.Thread(target=go_on, args=(second, started, after))
        thread.start()
        started.wait()
        assert _refresh(database, first) is None  # reuse
        thread.join()
        assert after[0] is None or _refresh(database, after[0]) is None


def test_a_link_works_once(database: Database, ada: User) -> None:
    with database.write() as session:
        secret = sign_ins.make_link(session, ada)
    with database.write() as session:
        assert sign_ins.use_link(session, secret) == ada.id
    with database.write() as session:
        assert sign_ins.use_link(session, secret) is None
        assert sign_ins.use_link(session, "unknown") is None


def test_an_expired_link_or_cookie_is_refused(database: Database, ada: User) -> None:
    link, cookie = _start(database, ada, "link"), _start(database, ada, "cookie")
    with database.read() as session:
        found = sign_ins.find_cookie(session, cookie)
        assert found is not None
        assert found.user.id == ada.id
    _expire_all(database)
    with database.write() as session:
        assert sign_ins.use_link(session, link) is None
        assert sign_ins.find_cookie(session, cookie) is None


def test_a_secret_is_of_one_kind_only(database: Database, ada: User) -> None:
    refresh, cookie, link = (_start(database, ada, kind) for kind in ("refresh", "cookie", "link"))
    with database.write() as session:
        assert sign_ins.find_cookie(session, refresh) is None
        assert sign_ins.find_cookie(session, link) is None
        assert sign_ins.use_link(session, refresh) is None
        assert sign_ins.use_link(session, cookie) is None
        assert sign_ins.refresh(session, cookie, lifetime_s=60) is None
        assert sign_ins.refresh(session, link, lifetime_s=60) is None


@pytest.mark.parametrize("kind", ["refresh", "cookie"])
def test_an_ended_sign_in_is_over(database: Database, ada: User, kind: Kind) -> None:
    secret, other = _start(database, ada, kind), _start(database, ada, kind)
    with database.write() as session:
        assert sign_ins.end(session, secret)
        assert not sign_ins.end(session, "unknown")
    assert not _works(database, kind, secret)
    assert _works(database, kind, other)


def _works(database: Database, kind: Kind, secret: str) -> bool:
    if kind == "refresh":
        return _refresh(database, secret) is not None
    with database.read() as session:
        return sign_ins.find_cookie(session, secret) is not None


def test_expired_sign_ins_are_deleted_and_no_others(database: Database, ada: User) -> None:
    for _ in range(3):
        _start(database, ada)
    _expire_all(database)
    alive = _start(database, ada)
    with database.write() as session:
        assert sign_ins.delete_expired(session) == 3
        assert sign_ins.delete_expired(session) == 0
    assert _refresh(database, alive) is not None


BROWSER = Device("Mozilla/5.0 (X11)\r\nX: y", "203.0.113.7")


def _session(database: Database, user: User, kind: Kind = "refresh") -> IssuedSession:
    with database.write() as session:
        return sign_ins.start(session, user, kind, lifetime_s=60, device=BROWSER)


def _list(database: Database, user: User, before_id: str | None = None, limit: int = 10) -> list[SignIn]:
    with database.read() as session:
        return sign_ins.list_page(session, user.id, before_id=before_id, limit=limit)


def _is_alive(database: Database, started: IssuedSession) -> bool:
    with database.read() as session:
        return sign_ins.find(session, started.session_id) is not None


def test_a_session_is_one_however_often_it_was_refreshed(database: Database, ada: User) -> None:
    # Those of one millisecond are in no order.
    first, second = sorted((_session(database, ada), _session(database, ada)), key=lambda one: one.session_id)
    token = first.secret
    for _ in range(3):
        with database.write() as session:
            sign_ins.make_link(session, ada)  # which is no session
            refreshed = sign_ins.refresh(session, token, lifetime_s=60, device=Device("curl/8", "::1"))
        assert refreshed is not None
        assert refreshed.session_id == first.session_id
        token = refreshed.secret
    found = _list(database, ada)
    assert [one.id for one in found] == [second.session_id, first.session_id]
    # What a program calls itself is shown to people: no control characters.
    assert (found[0].user_agent, found[0].address) == ("Mozilla/5.0 (X11)  X: y", "203.0.113.7")
    assert (found[1].user_agent, found[1].address) == ("curl/8", "::1")
    assert found[1].last_used_at is not None
    assert found[1].last_used_at >= found[1].created_at
    assert [one.id for one in _list(database, ada, limit=1)] == [second.session_id]
    assert [one.id for one in _list(database, ada, before_id=second.session_id)] == [first.session_id]


def test_one_session_is_ended_and_no_other(database: Database, ada: User) -> None:
    first, second = _session(database, ada), _session(database, ada)
    later = _refresh(database, first.secret)
    assert later is not None
    with database.write() as session:
        with pytest.raises(NotFound):
            sign_ins.end_one(session, first.session_id, "0" * 32)
        assert sign_ins.find(session, first.session_id) is not None
        sign_ins.end_one(session, first.session_id, ada.id)
        with pytest.raises(NotFound):
            sign_ins.end_one(session, first.session_id, ada.id)
    assert (_is_alive(database, first), _is_alive(database, second)) == (False, True)
    assert _refresh(database, later) is None
    assert _refresh(database, second.secret) is not None


def test_all_sessions_but_one_are_ended_with_the_links(database: Database, ada: User) -> None:
    kept, refreshed, browser = _session(database, ada), _session(database, ada), _session(database, ada, "cookie")
    with database.write() as session:
        link = sign_ins.make_link(session, ada)
        sign_ins.end_all(session, ada.id, but=kept.session_id)
    assert [_is_alive(database, one) for one in (kept, refreshed, browser)] == [True, False, False]
    assert _refresh(database, refreshed.secret) is None
    assert _refresh(database, kept.secret) is not None
    with database.write() as session:
        assert sign_ins.use_link(session, link) is None
        sign_ins.end_all(session, ada.id)
    assert _list(database, ada) == []


def test_refreshes_that_meet_the_end_of_all_sessions_leave_none_alive(database: Database, ada: User) -> None:
    for _ in range(5):
        started = [_session(database, ada) for _ in range(4)]
        barrier = threading.Barrier(5)
        answers: list[str | None] = []

        def go_on(token: str, barrier: threading.Barrier, answers: list[str | None]) -> None:
            barrier.wait()
            with suppress(DatabaseUnavailable):
                answers.append(_refresh(database, token))

        threads = [threading.Thread(target=go_on, args=(one.secret, barrier, answers)) for one in started]
        for thread in threads:
            thread.start()
        barrier.wait()
        with database.write() as session:
            sign_ins.end_all(session, ada.id)
        for thread in threads:
            thread.join()
        assert not any(_is_alive(database, one) for one in started)
        assert [token for token in answers if token and _refresh(database, token)] == []


def test_a_use_is_written_down_now_and_then(database: Database, ada: User) -> None:
    started = _session(database, ada)

    def needs_last_used_update() -> bool:
        with database.read() as session:
            found = sign_ins.find(session, started.session_id)
        assert found is not None
        return found.needs_last_used_update

    assert not needs_last_used_update()
    with database.write() as session:
        session.execute(update(SignIn).values(last_used_at=now() - (sign_ins.USED_EVERY_S + 1) * SECOND))
    assert needs_last_used_update()
    with database.write() as session:
        sign_ins.record_use(session, started.session_id, BROWSER)
    assert not needs_last_used_update()


def test_a_disabled_user_s_sessions_are_not_found_and_do_not_come_back(database: Database, ada: User) -> None:
    started = _session(database, ada)
    with database.write() as session:
        users.disable(session, session.merge(ada))
    assert not _is_alive(database, started)
    with database.write() as session:
        users.enable(session, users.find_any(session, ada.id))
    assert not _is_alive(database, started)
    assert _is_alive(database, _session(database, ada))
