"""Databases that have their tables: made once and used again, as the tables of one take MariaDB 0.15 s of CPU."""

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tests.servers import MariaDBServer
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.database.tables import Base
from video2mp3.errors import Video2mp3Error
from video2mp3.storage.private import make_file


def new_sqlite(path: Path) -> str:
    """Makes a database with its tables in that file, and returns its URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    make_file(path)
    path.write_bytes(_empty_sqlite())
    return f"sqlite:///{path}"


@functools.cache
def _empty_sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        database = Database(f"sqlite:///{path}")
        migrate.upgrade(database)
        # The last connection that closes writes all into the one file.
        database.close()
        return path.read_bytes()


class MariaDBDatabases:
    """Databases of one server."""

    def __init__(self, server: MariaDBServer) -> None:
        self._server = server
        self._free: list[str] = []

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The URL of a database with its tables, all of them empty; nobody else uses it in the block."""
        url = self._free.pop() if self._free else self._new()
        yield url
        if _emptied(url):
            self._free.append(url)

    def _new(self) -> str:
        database = Database(self._server.new_database())
        migrate.upgrade(database)
        database.close()
        return str(database.engine.url.render_as_string(hide_password=False))


def _emptied(url: str) -> bool:
    """Deletes all rows; returns False where that does not work: a test has left a transaction or stopped the server."""
    database = Database(url)
    try:
        with database.write() as session:
            session.execute(text("SET innodb_lock_wait_timeout = 1, lock_wait_timeout = 1, foreign_key_checks = 0"))
            for table in Base.metadata.tables.values():
                session.execute(table.delete())
        return migrate.current(database) == migrate.head()
    except (SQLAlchemyError, Video2mp3Error):
        return False
    finally:
        database.close()
