"""`video2mp3 keys` on a database that the service shares."""

from pathlib import Path

from tests.cli.test_admin import database
from tests.cli.test_commands import run
from video2mp3.accounts import tokens, users
from video2mp3.database.connection import Database
from video2mp3.errors import Unauthenticated

__all__ = ["database"]


def keys(folder: Path, *arguments: str) -> list[str]:
    result = run(folder, "keys", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def verifies(database: Database, token: str) -> bool:
    with database.read() as session:
        try:
            return bool(tokens.verify(session, token))
        except Unauthenticated:
            return False


def test_keys_are_rotated_listed_and_revoked(tmp_path: Path, database: Database) -> None:
    """It should keep tokens good through a rotation, and not through a revocation."""
    with database.write() as session:
        ada = users.add(session, username="ada", password_hash=None)
        token = tokens.issue(tokens.signer(session), ada, "5" * 32, lifetime_s=60)
    (only,) = keys(tmp_path, "list")
    assert only.endswith("signs")
    (made,) = keys(tmp_path, "rotate")
    new, old = keys(tmp_path, "list")
    assert (new[:32] in made, old[:32]) == (True, only[:32])
    assert (new.endswith("signs"), "verifies until" in old) == (True, True)
    assert verifies(database, token)
    keys(tmp_path, "rotate", "--revoke")
    assert len(keys(tmp_path, "list")) == 1
    assert not verifies(database, token)
