"""Databases that have their tables: made once and used again, as the tables of one take MariaDB 0.15 s of CPU."""

import functools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.util import LRUCache

from tests.servers import MariaDBServer
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.database.tables import Base
from video2mp3.errors import Video2mp3Error
from video2mp3.storage.private import make_file

# What of a server changes the SQL of a statement; the same for all that the tests start, but for a few.
_OF_SERVER = ("server_version_info", "is_mariadb", "_ansiquotes", "_backslash_escapes", "_casing")


def share_compiled_statements() -> None:
    """Lets all engines share their compiled statements: each test would compile its own, a third of a short one's CPU.

    SQLAlchemy's key for one begins with the dialect, of which each engine has its own.
    """
    statements: LRUCache[object, object] = LRUCache(3000)

    def share(cls: type[DefaultDialect], engine: Engine) -> None:
        engine._compiled_cache = statements  # type: ignore[assignment]

    for kind in (SQLiteDialect_pysqlite, MySQLDialect_pymysql):
        kind.engine_created = classmethod(share)  # type: ignore[method-assign, assignment]
        kind.__eq__ = _same_sql  # type: ignore[method-assign]
        kind.__hash__ = lambda dialect: hash(type(dialect))  # type: ignore[method-assign, assignment]


def _same_sql(one: object, other: object) -> bool:
    missing = object()
    return type(one) is type(other) and all(
        getattr(one, name, missing) == getattr(other, name, missing) for name in _OF_SERVER
    )


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
