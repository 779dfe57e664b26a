"""`video2mp3 user` on a database that the service shares."""

from pathlib import Path

import pytest

from tests.cli.test_admin import database
from tests.cli.test_commands import run
from video2mp3.accounts import invitations, passwords, sign_ins, users
from video2mp3.accounts.sign_ins import IssuedSession
from video2mp3.database.connection import Database
from video2mp3.database.tables import User

__all__ = ["database"]


def user(folder: Path, *arguments: str, stdin: str = "") -> str:
    result = run(folder, "user", *arguments, stdin=stdin)
    assert result.returncode == 0, result.stderr
    return result.stdout


def start(database: Database) -> IssuedSession:
    """An account with a session."""
    with database.write() as session:
        ada = users.register(session, username="ada", password="correct horse", email="lovelace@example.org")
        return sign_ins.start(session, ada, "refresh", lifetime_s=60)


def is_alive(database: Database, started: IssuedSession) -> bool:
    with database.read() as session:
        return sign_ins.find(session, started.session_id) is not None


def read(database: Database) -> User:
    with database.read() as session:
        found = users.find_by_username(session, "ada", disabled_too=True)
    assert found is not None
    return found


def test_accounts_are_listed_disabled_and_enabled(tmp_path: Path, database: Database) -> None:
    started = start(database)
    assert user(tmp_path, "list", "--search", "LOVELACE").split()[2:] == ["user", "ada"]
    assert user(tmp_path, "list", "--search", "nobody") == ""
    assert is_alive(database, started)
    user(tmp_path, "disable", "Ada")
    assert not is_alive(database, started)
    assert user(tmp_path, "list").split()[2:] == ["disabled", "ada"]
    user(tmp_path, "enable", "ada")
    assert read(database).disabled_at is None


def test_roles_and_passwords_are_changed(tmp_path: Path, database: Database) -> None:
    """It should end the sessions with the password that they began with."""
    started = start(database)
    user(tmp_path, "role", "ada", "admin")
    assert read(database).role == "admin"
    assert is_alive(database, started)
    user(tmp_path, "password", "ada", "--password-stdin", stdin="battery horse\n")
    assert passwords.verify_password("battery horse", read(database).password_hash)
    assert not is_alive(database, started)
    refused = run(tmp_path, "user", "password", "ada", "--password-stdin", stdin="short\n")
    assert (refused.returncode, "at least 8" in refused.stderr) == (1, True)


@pytest.mark.parametrize("name", ["nobody", "local"])
def test_who_is_not_there_is_named(tmp_path: Path, database: Database, name: str) -> None:
    with database.write() as session:
        users.local_user(session)
    refused = run(tmp_path, "user", "disable", name)
    assert (refused.returncode, refused.stderr) == (1, f"video2mp3: There is no account {name}.\n")


def test_somebody_is_invited(tmp_path: Path, database: Database) -> None:
    """It should print a link whose code is good once."""
    printed = user(tmp_path, "invite", "--days", "1").strip()
    assert printed.startswith("http://127.0.0.1:8000/#/sign-in/invitation/")
    code = printed.rsplit("/", 1)[1]
    with database.write() as session:
        assert invitations.use(session, code, "0" * 32)
        assert not invitations.use(session, code, "0" * 32)
