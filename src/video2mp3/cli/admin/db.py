"""Database access for commands that read or change rows and then end."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from video2mp3.database.connection import Database
    from video2mp3.settings import Settings
    from video2mp3.storage import Storage


@contextmanager
def open_database_only() -> Iterator["Database"]:
    """Opens the configured database; raises ConfigurationError if its tables have another revision."""
    with _opened() as (database, _):
        yield database


@contextmanager
def open_database_and_storage() -> Iterator[tuple["Database", "Storage"]]:
    """Opens the configured database and storage."""
    from video2mp3.wiring import open_storage

    with _opened() as (database, settings), closing(open_storage(settings)) as storage:
        yield database, storage


@contextmanager
def _opened() -> Iterator[tuple["Database", "Settings"]]:
    from video2mp3.database import migrate
    from video2mp3.errors import ConfigurationError
    from video2mp3.settings import load_settings
    from video2mp3.wiring import configure_logging, open_database

    settings = load_settings(log_level="error")
    configure_logging(settings)
    if not settings.database_url and not settings.default_database.exists():  # else it would be created, empty
        folder = settings.data_dir.absolute()
        raise ConfigurationError(
            f"There is no service's data in {folder}; name its folder, as in VIDEO2MP3_DATA_DIR=data after `make run`."
        )
    with closing(open_database(settings)) as database:
        migrate.require_current(database)
        yield database, settings


@contextmanager
def read_session() -> Iterator["Session"]:
    """Opens a read-only transaction."""
    with open_database_only() as database, database.read() as session:
        yield session


@contextmanager
def write_session() -> Iterator["Session"]:
    """Opens a transaction that is committed at the end of the block."""
    with open_database_only() as database, database.write() as session:
        yield session


def format_time(microseconds: int) -> str:
    """Returns a database timestamp as text, in UTC."""
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
