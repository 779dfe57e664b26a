import threading

import pytest
from sqlalchemy import select, update

from video2mp3.accounts import names, passwords, users
from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.tables import User
from video2mp3.errors import Conflict, InvalidRequest, UsernameTaken


def test_a_registered_user_is_found_by_name_and_id(database: Database) -> None:
    with database.write() as session:
        made = users.register(session, username="Ada", password="correct horse", email="ada@example.org")
    with database.read() as session:
        found = users.find_by_username(session, "Ada")
        assert found is not None
        assert found.id == made.id
        assert (found.username, found.email, found.role) == ("Ada", "ada@example.org", "user")
        assert found.created_at > 1_600_000_000_000_000
        assert passwords.verify_password("correct horse", found.password_hash)
        assert users.find(session, made.id) is found
        assert users.find_by_username(session, "Eve") is None
        assert users.find(session, "0" * 32) is None


@pytest.mark.parametrize("other", ["ADA", "Ada", "\uff41\uff44\uff41"], ids=["upper", "title", "fullwidth"])
def test_nobody_passes_for_somebody_else(database: Database, ada: User, other: str) -> None:
    with database.write() as session:
        assert users.is_taken(session, other)
        with pytest.raises(UsernameTaken):
            users.add(session, username=other, password_hash=None)
        # The transaction outlives it.
        assert users.find(session, ada.id) is not None


@pytest.mark.parametrize("name", ["x", "x" * 64, "Straße", "日本語", "a b", "O'Brien; --", "émile"])
def test_ordinary_names_are_taken(database: Database, name: str) -> None:
    with database.write() as session:
        users.add(session, username=name, password_hash=None)
    with database.read() as session:
        found = users.find_by_username(session, name)
    assert found is not None
    assert found.username == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 65,
        " x",
        "x ",
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "a\u200bb",
        "a\u202eb",
        "a:b",
        "a\uff1ab",
        "\ufdfa" * 64,
    ],
    ids=ascii,
)
def test_names_that_would_deceive_or_break_are_refused(name: str) -> None:
    with pytest.raises(InvalidRequest):
        names.check(name)


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@x", "a b@x", "a@x\r\nBcc: b@x", "a@x, b@x", "a@b@c", "a@" + "x" * 260]
)
def test_addresses_that_are_none_are_refused(email: str) -> None:
    with pytest.raises(InvalidRequest):
        users.check_email(email)


def test_too_short_a_password_makes_no_account(database: Database) -> None:
    with database.write() as session, pytest.raises(InvalidRequest):
        users.register(session, username="ada", password="short", password_min_length=8)
    with database.read() as session:
        assert users.find_by_username(session, "ada") is None


def test_a_disabled_user_is_not_found(database: Database, ada: User) -> None:
    with database.write() as session:
        session.execute(update(User).where(User.id == ada.id).values(disabled_at=now()))
    with database.read() as session:
        assert users.find(session, ada.id) is None
        assert users.find_by_username(session, "ada") is None
        assert users.is_taken(session, "ada")


def test_nobody_can_register_the_local_user(database: Database) -> None:
    with database.write() as session:
        assert users.is_taken(session, "Local")
        with pytest.raises(UsernameTaken):
            users.add(session, username="LOCAL", password_hash="hash")
        assert users.local_user(session).password_hash is None


def test_several_processes_make_one_local_user(database: Database) -> None:
    started = threading.Barrier(4)
    ids: list[str] = []

    def make() -> None:
        started.wait()
        with database.write() as session:
            ids.append(users.local_user(session).id)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert len(set(ids)) == len(session.scalars(select(User)).all()) == 1
    assert len(ids) == 4


def test_a_new_service_is_set_up_by_one_account(database: Database) -> None:
    """It should be `admin` until there is another account, whatever the user `local` did."""
    with database.write() as session:
        users.local_user(session)
        admin = users.set_up_user(session)
        assert admin is not None
        assert (admin.username, admin.role, admin.password_hash) == ("admin", "admin", None)
        assert users.set_up_user(session) is admin
        users.add(session, username="ada", password_hash=None)
        assert users.set_up_user(session) is None


@pytest.mark.parametrize("role", ["user", "admin"])
def test_an_account_that_is_called_admin_is_not_given_away(database: Database, role: str) -> None:
    """It should not hand out an account that somebody made with a password."""
    with database.write() as session:
        users.register(session, username="admin", password="correct horse", role=role)
        assert users.set_up_user(session) is None


def test_the_last_administrator_stays(database: Database, ada: User) -> None:
    """It should refuse to demote, disable or delete the only administrator who can sign in, and nobody else."""
    with database.write() as session:
        root = users.add(session, username="root", password_hash=None, role="admin")
        other = users.add(session, username="other", password_hash=None, role="admin")
        users.disable(session, other)
    for shut_out in (lambda session, user: users.set_role(session, user, "user"), users.disable, users.delete):
        with database.write() as session, pytest.raises(Conflict):
            shut_out(session, session.get_one(User, root.id))
    with database.write() as session:
        users.set_role(session, session.get_one(User, root.id), "admin")
        users.set_role(session, session.get_one(User, ada.id), "admin")
        users.set_role(session, session.get_one(User, root.id), "user")
        users.disable(session, session.get_one(User, root.id))
    with database.write() as session, pytest.raises(Conflict):
        users.disable(session, session.get_one(User, ada.id))


@pytest.mark.parametrize(("first", "second"), [("ace", "\u0430\u0441\u0435"), ("\u0456", "I")], ids=ascii)
def test_of_two_names_that_look_the_same_one_is_taken(database: Database, first: str, second: str) -> None:
    with database.write() as session:
        users.add(session, username=first, password_hash=None)
        assert users.is_taken(session, second)
        with pytest.raises(UsernameTaken):
            users.add(session, username=second, password_hash=None)
        # A letter of this one looks like nothing in Latin.
        users.add(session, username="Ада", password_hash=None)
