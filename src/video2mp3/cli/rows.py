"""The database as commands use it that read or change rows and then end."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from video2mp3.database.connection import Database
    from video2mp3.settings import Settings
    from video2mp3.storage import Storage


@contextmanager
def opened_database() -> Iterator["Database"]:
    """The database that the settings name; raises ConfigurationError when its tables are not this version's."""
    with _opened() as (database, _):
        yield database


@contextmanager
def opened_database_and_storage() -> Iterator[tuple["Database", "Storage"]]:
    """The same, and the storage that the settings name."""
    from video2mp3.wiring import open_storage

    with _opened() as (database, settings):
        storage = open_storage(settings)
        try:
            yield database, storage
        finally:
            storage.close()


@contextmanager
def _opened() -> Iterator[tuple["Database", "Settings"]]:
    from video2mp3.database import migrate
    from video2mp3.settings import load_settings
    from video2mp3.wiring import configure_logging, open_database

    settings = load_settings(log_level="error")
    configure_logging(settings)
    database = open_database(settings)
    try:
        migrate.require_current(database)
        yield database, settings
    finally:
        database.close()


@contextmanager
def reading() -> Iterator["Session"]:
    """A transaction that only reads."""
    with opened_database() as database, database.read() as session:
        yield session


@contextmanager
def writing() -> Iterator["Session"]:
    """A transaction that is committed at the end of the block."""
    with opened_database() as database, database.write() as session:
        yield session


def moment(microseconds: int) -> str:
    """Returns the database's time for people, in UTC."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
