import threading

import pytest
from sqlalchemy import select, update

from video2mp3.accounts import sign_ins
from video2mp3.accounts.sign_ins import Kind
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import SignIn, User
from video2mp3.errors import DatabaseUnavailable


def _start(database: Database, user: User, kind: Kind = "refresh", lifetime_s: int = 60) -> str:
    with database.write() as session:
        return sign_ins.start(session, user, kind, lifetime_s=lifetime_s)


def _refresh(database: Database, token: str) -> str | None:
    with database.write() as session:
        refreshed = sign_ins.refresh(session, token, lifetime_s=60)
    return refreshed.refresh_token if refreshed else None


def _expire_all(database: Database) -> None:
    with database.write() as session:
        session.execute(update(SignIn).values(expires_at=now() - SECOND))


def test_only_the_hash_of_a_secret_is_stored(database: Database, ada: User) -> None:
    secret = _start(database, ada)
    with database.read() as session:
        row = session.scalars(select(SignIn)).one()
    stored = [str(value) for name, value in vars(row).items() if not name.startswith("_")]
    assert not any(secret in value for value in stored)
    assert any(sign_ins._sha256(secret) in value for value in stored)


def test_each_refresh_token_is_followed_by_the_next(database: Database, ada: User) -> None:
    token = _start(database, ada)
    for _ in range(3):
        with database.write() as session:
            refreshed = sign_ins.refresh(session, token, lifetime_s=60)
        assert refreshed is not None
        assert refreshed.user_id == ada.id
        assert refreshed.refresh_token != token
        token = refreshed.refresh_token


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
        assert sign_ins.find_cookie(session, cookie) == ada.id
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


def test_expired_sign_ins_are_tidied_up_by_the_next(database: Database, ada: User) -> None:
    for _ in range(3):
        _start(database, ada)
    _expire_all(database)
    alive = _start(database, ada)
    with database.read() as session:
        assert len(session.scalars(select(SignIn)).all()) == 1
    assert _refresh(database, alive) is not None
