"""What goes wrong with a database becomes an error of ours, which says what to do."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from video2mp3.database.connection import Database
from video2mp3.errors import DatabaseFull, DatabaseUnavailable


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
