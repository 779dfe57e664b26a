import threading

import pytest
from sqlalchemy import select, update

from video2mp3.accounts import one_time_tokens, users
from video2mp3.accounts.one_time_tokens import ClaimedEmail, Kind
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import OneTimeToken, User
from video2mp3.outbox import claims

ADDRESS = "ada@example.org"


@pytest.fixture
def ada(ada: User, database: Database) -> User:
    """She has an address."""
    with database.write() as session:
        user = session.get_one(User, ada.id)
        user.email = ADDRESS
    return user


def ask(database: Database, user: User | None, kind: Kind = "reset") -> None:
    with database.write() as session:
        one_time_tokens.request(session, kind, user)


def claim(database: Database) -> ClaimedEmail | None:
    with database.write() as session:
        return one_time_tokens.claim_email(session)


def claimed(database: Database) -> ClaimedEmail:
    email = claim(database)
    assert email is not None
    return email


def use(database: Database, email: ClaimedEmail, kind: Kind = "reset") -> bool:
    with database.write() as session:
        return one_time_tokens.use(session, kind, email.token) is not None


def change(database: Database, **values: object) -> None:
    with database.write() as session:
        session.execute(update(OneTimeToken).values(**values))


def test_an_email_is_claimed_once_and_its_token_used_once(database: Database, ada: User) -> None:
    ask(database, ada)
    email = claimed(database)
    assert (email.kind, email.user.id, email.attempt) == ("reset", ada.id, 1)
    assert claim(database) is None
    with database.write() as session:
        claims.end(session, email, "sent")
        stored = [
            str(getattr(row, c.name))
            for row in session.scalars(select(OneTimeToken))
            for c in OneTimeToken.__table__.columns
        ]
    assert email.token not in stored
    assert not use(database, email, "verify")
    assert use(database, email)
    assert not use(database, email)


def test_an_email_in_the_name_of_nobody_is_never_sent(database: Database, ada: User) -> None:
    ask(database, None)
    assert claim(database) is None
    ask(database, ada)
    assert claimed(database).user.id == ada.id


def test_of_many_notifiers_one_claims_an_email(database: Database, ada: User) -> None:
    ask(database, ada)
    started = threading.Barrier(6)
    found: list[ClaimedEmail | None] = []

    def notifier() -> None:
        started.wait()
        found.append(claim(database))

    threads = [threading.Thread(target=notifier) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([email for email in found if email]) == 1


def test_an_email_that_was_not_sent_is_due_again_with_another_token(database: Database, ada: User) -> None:
    ask(database, ada)
    first = claimed(database)
    with database.write() as session:
        claims.end(session, first, "retried")
    assert claim(database) is None, "not at once"
    change(database, not_before=now())
    second = claimed(database)
    assert (second.attempt, second.token == first.token) == (2, False)
    with database.write() as session:
        assert not claims.end(session, first, "sent"), "a notifier that comes late changes nothing"
    assert not use(database, first)


def test_an_email_whose_notifier_died_is_sent_by_another(database: Database, ada: User) -> None:
    ask(database, ada)
    dead = claimed(database)
    change(database, lease_until=1)
    with database.write() as session:
        assert claims.reap(session) == 1
    alive = claimed(database)
    with database.write() as session:
        assert not claims.end(session, dead, "sent")
        assert claims.end(session, alive, "sent")
        assert claims.reap(session) == 0


def test_an_email_that_cannot_be_sent_before_its_token_expires_has_failed(database: Database, ada: User) -> None:
    ask(database, ada)
    change(database, expires_at=now() + SECOND)
    with database.write() as session:
        email = one_time_tokens.claim_email(session)
        assert email is not None
        assert claims.end(session, email, "retried")
        assert session.scalars(select(OneTimeToken.state)).one() == "failed"


def test_an_expired_email_is_neither_sent_nor_used_and_is_deleted(database: Database, ada: User) -> None:
    ask(database, ada)
    email = claimed(database)
    with database.write() as session:
        assert one_time_tokens.delete_expired(session) == 0
    change(database, expires_at=now() - SECOND, not_before=now())
    assert claim(database) is None
    assert not use(database, email)
    with database.write() as session:
        assert one_time_tokens.delete_expired(session) == 1


def test_a_used_token_ends_the_others_of_its_kind(database: Database, ada: User) -> None:
    for kind in ("reset", "reset", "verify"):
        ask(database, ada, kind)
    # Those of one millisecond are in no order.
    found = [claimed(database) for _ in range(3)]
    first, second = (email for email in found if email.kind == "reset")
    (other,) = (email for email in found if email.kind == "verify")
    assert use(database, second)
    assert not use(database, first)
    assert use(database, other, "verify")


@pytest.mark.parametrize("change_of", ["password", "address"])
def test_tokens_end_with_the_address_and_the_password_that_they_were_for(
    database: Database, ada: User, change_of: str
) -> None:
    ask(database, ada)
    email = claimed(database)
    with database.write() as session:
        user = session.get_one(User, ada.id)
        users.change(session, user, email=ADDRESS, email_notifications=False)
        assert one_time_tokens.find(session, "reset", email.token) is not None
        if change_of == "password":
            assert users.set_password(session, user, "hash")
        else:
            assert users.verify_email(session, user, ADDRESS)
            users.change(session, user, email="other@example.org", email_notifications=False)
            session.refresh(user)
            assert user.email_verified_at is None
            assert not users.verify_email(session, user, ADDRESS)
    assert not use(database, email)


def test_a_disabled_account_gets_no_email(database: Database, ada: User) -> None:
    ask(database, ada)
    with database.write() as session:
        users.disable(session, session.get_one(User, ada.id))
    assert claim(database) is None
    with database.write() as session:
        users.enable(session, session.get_one(User, ada.id))
    assert claim(database) is not None


def test_users_take_turns(database: Database, ada: User) -> None:
    """It should let nobody's emails go before everybody else's, however early they were requested."""
    with database.write() as session:
        bob = users.add(session, username="bob", password_hash=None)
    for _ in range(5):
        ask(database, ada)
    ask(database, bob)
    order = [claimed(database).user.id for _ in range(6)]
    assert order.index(bob.id) <= 1


def test_what_has_failed_goes_last(database: Database, ada: User) -> None:
    ask(database, ada)
    failed = claimed(database)
    with database.write() as session:
        claims.end(session, failed, "retried")
    ask(database, ada)
    with database.write() as session:
        bob = users.add(session, username="bob", password_hash=None)
    ask(database, bob)
    change(database, not_before=now())
    assert [claimed(database).row_id for _ in range(3)][-1] == failed.row_id
