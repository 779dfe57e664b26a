"""What goes wrong with a database becomes an error of ours, which says what to do."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from video2mp3.database import refusals
from video2mp3.database.connection import Database
from video2mp3.errors import ConfigurationError, DatabaseFull, DatabaseUnavailable


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE things (data BLOB)"))
    yield database
    database.close()


def _insert(database: Database, size_bytes: int) -> None:
    with database.write() as session:
        # Of the connection that this block has, for a full disk cannot be had without root.
        session.execute(text("PRAGMA max_page_count = 100"))
        session.execute(text("INSERT INTO things VALUES (zeroblob(:size))"), {"size": size_bytes})


def test_a_full_disk_is_told_from_a_database_that_is_away(database: Database) -> None:
    """It should say that there is no room, take back what was begun, and go on when there is room."""
    with pytest.raises(DatabaseFull):
        _insert(database, 1_000_000)
    _insert(database, 1000)
    with database.read() as session:
        assert session.execute(text("SELECT COUNT(*) FROM things")).scalar_one() == 1


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    """It should tell what is wrong with the file, for no other try will mend it."""
    (tmp_path / "notes.db").write_text("Not a database, but long enough to be looked at as if it were one." * 10)
    database = Database(f"sqlite:///{tmp_path / 'notes.db'}")
    with pytest.raises(DatabaseUnavailable, match="file is not a database"):
        database.check()
    database.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="Root may write everything.")
def test_a_folder_that_may_not_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    database = Database(f"sqlite:///{tmp_path / 'closed' / 'test.db'}")
    with pytest.raises(DatabaseUnavailable, match="unable to open database file"):
        database.check()
    database.close()


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    """It should hide the keys and the passwords' hashes from the machine's other users."""
    Database(f"sqlite:///{tmp_path / 'new' / 'test.db'}").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_request_that_gets_no_connection_in_time_may_come_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should be an outage, not a fault, when all connections are in use."""
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    monkeypatch.setattr(pool, "_timeout", 0.1)
    with ExitStack() as in_use:
        for _ in range(pool.size() + pool._max_overflow):
            in_use.enter_context(database.engine.connect())
        with pytest.raises(DatabaseUnavailable, match="in use"), database.read():
            pass
    database.check()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1015, "Can't lock file (errno: 165 - Table is read only)"),
        (1036, "Table 'jobs' is read only"),
        (1047, "WSREP has not yet prepared node for application use"),
        (1290, "The MySQL server is running with the --read-only option so it cannot execute this statement"),
        (1792, "Cannot execute statement in a READ ONLY transaction."),
        (1836, "Running in read-only mode"),
        (1874, "InnoDB is in read only mode."),
    ],
)
def test_a_server_that_takes_no_writes_is_left(number: int, text: str) -> None:
    """It should be said why, and the connection dropped; servers say it in many words, by the setting that is on."""
    error = pymysql.OperationalError(number, text)
    assert refusals.is_read_only(error)
    assert re.match(r"The database server (is read-only|has left its cluster)", str(refusals.unavailable(error)))
    assert not refusals.is_read_only(pymysql.OperationalError(1015, "Can't lock file (errno: 11)"))


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "mysql://user:hunter2@127.0.0.1/db",
        "mysql+hunter2://127.0.0.1/db",
        "mysql+pymysql://user:hun@ter2@127.0.0.1/db",
        "mysql+pymysql://user:hun@t:ter2@127.0.0.1/db",
        "mysql+pymysql://user:hunter2@127.0.0.1",
        "mysql+pymysql://user:hunter2@127.0.0.1/",
        "mysql+pymysql://user:hunter2@127.0.0.1/db?hunter2=hunter2",
        "mysql+pymysql://user:hunter2@127.0.0.1/db?ssl_ca=/nowhere/hunter2",
        "mysql+pymysql://user:hunter2@127.0.0.1/db?ssl_ca=/etc/passwd",
        "mysql+pymysql://user:hunter2@127.0.0.1/db?ssl_ca=/",
        "mysql+pymysql://user:hunter2@127.0.0.1/db?ssl_ca=/etc/hosts&ssl_ca=/etc/passwd",
        "mysql+pymysql://user:hunter2@127.0.0.1/db?ssl_cert=/etc/passwd&ssl_key=/etc/passwd",
        "mysql+pymysql://user:hunter2@127.0.0.1/db?ssl_check_hostname=hunter2",
        "mysql+pymysql://user:hunter2@a..b/db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://host/x.db",
        "sqlite:////proc/self/hunter2%00",
        "sqlite:////proc",
        "sqlite:////dev/null",
        "sqlite+aiosqlite:////tmp/hunter2",
        "sqlite:////tmp/x?hunter2=1",
        "postgresql://user:hunter2@127.0.0.1/db",
    ],
)
def test_a_wrong_url_is_one_sentence_without_its_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError, match="VIDEO2MP3_DATABASE_URL") as raised:
        Database(url)
    assert "ter2" not in raised.value.detail.replace("mysql+hunter2", "")
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(("file", "said"), [("/nowhere", "cannot be read"), ("/etc/passwd", "holds no certificate")])
def test_a_missing_certificate_is_told_from_a_file_that_is_none(file: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the file that ssl_ca names {said}"):
        Database(f"mysql+pymysql://user@127.0.0.1/db?ssl_ca={file}")
