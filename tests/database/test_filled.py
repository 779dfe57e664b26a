"""Migrations of a filled database keep its rows; many writers of SQLite do not get in each other's way."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    insert,
)
from sqlalchemy.dialects.mysql import MEDIUMBLOB, TINYINT

from tests.jobs.rows import claim, finish, make_upload, make_user, read_job, submit
from video2mp3.database import connection, migrate
from video2mp3.database.connection import Database

ROWS = 20


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    """Without tables."""
    database = Database(empty_database_url)
    yield database
    database.close()


def _tables(database: Database) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(database.engine)
    return {table.name: table for table in metadata.sorted_tables if table.name != "alembic_version"}


def _value(column: Column[Any], number: int) -> Any:
    """Something that the column takes, different in each row."""
    if column.foreign_keys:
        (key,) = column.foreign_keys
        # Each table has as many rows; the n-th of one refers to the n-th of the other.
        return _value(key.column, number)
    if isinstance(column.type, JSON) or column.name in ("options", "report", "events"):
        return {"number": number} if isinstance(column.type, JSON) else f'{{"number": {number}}}'
    if isinstance(column.type, Boolean | TINYINT):
        return number % 2 == 0
    if isinstance(column.type, Integer | BigInteger | SmallInteger):
        return number
    if isinstance(column.type, Float):
        return number / 4
    if isinstance(column.type, LargeBinary | MEDIUMBLOB):
        return bytes([number])
    assert isinstance(column.type, String)
    return f"{number:04x} ÄÖü"[: column.type.length] if "utf8mb4" in str(column.type) else f"{number:032x}"


def _fill(database: Database) -> None:
    tables = _tables(database)
    with database.write() as session:
        for table in tables.values():
            rows = [{column.name: _value(column, number) for column in table.columns} for number in range(1, ROWS + 1)]
            session.execute(insert(table), rows)


def _rows(database: Database, only: dict[str, set[str]] | None = None) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, or of the columns `only`."""
    found = {}
    tables = _tables(database)
    with database.read() as session:
        for name, table in tables.items():
            columns = [c for c in table.columns if only is None or c.name in only.get(name, set())]
            if columns:
                rows = session.execute(table.select().with_only_columns(*columns)).mappings()
                found[name] = sorted((dict(row) for row in rows), key=repr)
    return found


def _columns(rows: dict[str, list[dict[str, Any]]]) -> dict[str, set[str]]:
    return {name: set(table[0]) for name, table in rows.items()}


# Skipped while there is one revision: nothing has been released that a database could come from.
@pytest.mark.parametrize("old", migrate.revisions()[:-1])
def test_rows_of_an_old_database_go_up_down_and_up_unchanged(database: Database, old: str) -> None:
    migrate.upgrade(database, old)
    _fill(database)
    before = _rows(database)
    assert {name: len(rows) for name, rows in before.items()} == dict.fromkeys(_tables(database), ROWS)
    for _ in range(2):
        migrate.upgrade(database)
        assert _rows(database, _columns(before)) == before
        migrate.downgrade(database, old)
        assert _rows(database) == before


def test_rows_of_a_new_database_go_down_and_up_with_what_the_old_tables_hold(database: Database) -> None:
    migrate.upgrade(database)
    _fill(database)
    before = _rows(database)
    first = migrate.revisions()[0]
    migrate.downgrade(database, first)
    held = _columns(_rows(database))
    kept = {name: sorted(({c: row[c] for c in held[name]} for row in before[name]), key=repr) for name in held}
    migrate.upgrade(database)
    found = {
        name: sorted(({c: row[c] for c in held[name]} for row in rows), key=repr)
        for name, rows in _rows(database).items()
        if name in held
    }
    assert found == kept
    # What the old tables cannot hold is empty, not wrong.
    assert all(not rows for name, rows in _rows(database).items() if name not in held)


def test_a_changed_row_is_seen(database: Database) -> None:
    migrate.upgrade(database)
    _fill(database)
    before = _rows(database)
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE jobs SET percent = percent + 1 WHERE percent = 3")
    assert _rows(database) != before


def test_fifty_writers_of_sqlite_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should never say that the database is locked, and lose no row."""
    # How long they may have to wait is a matter of the machine: not at all, without the timeout.
    monkeypatch.setattr(connection, "SQLITE_BUSY_TIMEOUT_MS", 200_000)
    url = f"sqlite:///{tmp_path / 'video2mp3.db'}"
    first = Database(url)
    migrate.upgrade(first)
    writers, barrier = 50, Barrier(50)
    user_id = make_user(first)
    upload_id = make_upload(first, user_id)

    def write(_: int) -> list[str]:
        # A connection of its own, as in a process of its own.
        database = Database(url)
        barrier.wait()
        try:
            jobs = []
            for _ in range(2):
                job_id = submit(database, user_id, upload_id).id
                taken = claim(database, job_id)
                assert taken is not None
                assert finish(database, taken)
                jobs.append(job_id)
            return jobs
        finally:
            database.close()

    with ThreadPoolExecutor(writers) as pool:
        jobs = [job_id for made in pool.map(write, range(writers)) for job_id in made]
    assert {read_job(first, job_id).state for job_id in jobs} == {"finished"}
    assert len(set(jobs)) == writers * 2
    first.close()
