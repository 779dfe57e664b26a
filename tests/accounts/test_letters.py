import threading

import pytest
from sqlalchemy import select, update

from video2mp3.accounts import letters, users
from video2mp3.accounts.letters import Due, Kind
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Letter, User

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
        letters.ask(session, kind, user)


def claim(database: Database) -> Due | None:
    with database.write() as session:
        return letters.claim(session)


def claimed(database: Database) -> Due:
    due = claim(database)
    assert due is not None
    return due


def use(database: Database, due: Due, kind: Kind = "reset") -> bool:
    with database.write() as session:
        return letters.use(session, kind, due.token) is not None


def change(database: Database, **values: object) -> None:
    with database.write() as session:
        session.execute(update(Letter).values(**values))


def test_a_letter_is_claimed_once_and_used_once(database: Database, ada: User) -> None:
    ask(database, ada)
    due = claimed(database)
    assert (due.kind, due.user.id, due.attempt) == ("reset", ada.id, 1)
    assert claim(database) is None
    with database.write() as session:
        letters.mark_sent(session, due)
        stored = [
            str(getattr(row, c.name)) for row in session.scalars(select(Letter)) for c in Letter.__table__.columns
        ]
    assert due.token not in stored
    assert not use(database, due, "verify")
    assert use(database, due)
    assert not use(database, due)


def test_a_letter_in_the_name_of_nobody_is_never_sent(database: Database, ada: User) -> None:
    ask(database, None)
    assert claim(database) is None
    ask(database, ada)
    assert claimed(database).user.id == ada.id


def test_of_many_notifiers_one_claims_a_letter(database: Database, ada: User) -> None:
    ask(database, ada)
    started = threading.Barrier(6)
    found: list[Due | None] = []

    def notifier() -> None:
        started.wait()
        found.append(claim(database))

    threads = [threading.Thread(target=notifier) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([due for due in found if due]) == 1


def test_a_letter_that_was_not_sent_is_due_again_with_another_token(database: Database, ada: User) -> None:
    ask(database, ada)
    first = claimed(database)
    with database.write() as session:
        letters.try_again(session, first)
    assert claim(database) is None, "not at once"
    change(database, not_before=now())
    second = claimed(database)
    assert (second.attempt, second.token == first.token) == (2, False)
    with database.write() as session:
        letters.mark_sent(session, first)  # who comes late changes nothing
    change(database, not_before=now())
    assert claim(database) is not None
    assert not use(database, first)


def test_an_expired_letter_is_neither_sent_nor_used_and_is_deleted(database: Database, ada: User) -> None:
    ask(database, ada)
    due = claimed(database)
    with database.write() as session:
        assert letters.delete_expired(session) == 0
    change(database, expires_at=now() - SECOND, not_before=now())
    assert claim(database) is None
    assert not use(database, due)
    with database.write() as session:
        assert letters.delete_expired(session) == 1


def test_a_used_letter_ends_the_others_of_its_kind(database: Database, ada: User) -> None:
    for kind in ("reset", "reset", "verify"):
        ask(database, ada, kind)
    # Those of one millisecond are in no order.
    found = [claimed(database) for _ in range(3)]
    first, second = (due for due in found if due.kind == "reset")
    (other,) = (due for due in found if due.kind == "verify")
    assert use(database, second)
    assert not use(database, first)
    assert use(database, other, "verify")


@pytest.mark.parametrize("change_of", ["password", "address"])
def test_letters_end_with_the_address_and_the_password_that_they_were_for(
    database: Database, ada: User, change_of: str
) -> None:
    ask(database, ada)
    due = claimed(database)
    with database.write() as session:
        user = session.get_one(User, ada.id)
        users.change(session, user, email=ADDRESS, wants_mail=False)
        assert letters.find(session, "reset", due.token) is not None
        if change_of == "password":
            assert users.set_password(session, user, "hash")
        else:
            assert users.verify_email(session, user, ADDRESS)
            users.change(session, user, email="other@example.org", wants_mail=False)
            session.refresh(user)
            assert user.email_verified_at is None
            assert not users.verify_email(session, user, ADDRESS)
    assert not use(database, due)


def test_a_disabled_account_gets_no_letter(database: Database, ada: User) -> None:
    ask(database, ada)
    with database.write() as session:
        users.disable(session, session.get_one(User, ada.id))
    assert claim(database) is None
    with database.write() as session:
        users.enable(session, session.get_one(User, ada.id))
    assert claim(database) is not None


def test_users_take_turns(database: Database, ada: User) -> None:
    """It should let nobody's letters go before everybody else's, however early they were asked for."""
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
        letters.try_again(session, failed)
    ask(database, ada)
    with database.write() as session:
        bob = users.add(session, username="bob", password_hash=None)
    ask(database, bob)
    change(database, not_before=now())
    assert [claimed(database).letter_id for _ in range(3)][-1] == failed.letter_id
