"""Connections and transactions."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from video2mp3.database.refusals import is_broken_file, is_read_only, unavailable
from video2mp3.database.urls import parse_url
from video2mp3.errors import ConfigurationError, DatabaseUnavailable
from video2mp3.storage.private import close_to_others, make_file

# How long a writer waits for SQLite's one write lock.
SQLITE_BUSY_TIMEOUT_MS = 20_000
# Between two tries to change the journal of a new file, which another process locks.
_WAL_RETRY_S = 0.01
# Kept open, and opened besides where these are in use; then one waits.
_POOL_SIZE = 20
_POOL_OVERFLOW = 10
_AFTER_COMMIT = "after_commit"


def after_commit(session: Session, do: Callable[[], None]) -> None:
    """Does something once the session's transaction is committed; nothing where it is not. It must not raise."""
    session.info.setdefault(_AFTER_COMMIT, []).append(do)


class Database:
    """One database: hands out transactions that are committed when the block ends without an error.

    The functions of the domain take a `Session` and never commit; the edges (an HTTP request, a step of
    a loop) open the transaction.
    """

    max_connections = _POOL_SIZE + _POOL_OVERFLOW

    def __init__(self, url: str) -> None:
        """Prepares the connection pool; connects only when first used.

        Raises:
            ConfigurationError: when the URL names a database that is not supported.
        """
        parsed = parse_url(url)
        self.dialect = parsed.get_backend_name()
        # SQLite itself lets writers try again after pauses that become longer: within a process they queue up instead.
        self._writing = threading.Lock() if self.dialect == "sqlite" else nullcontext()
        # Parameters are hidden below: an error's text goes to the log, and a parameter may be a key.
        if self.dialect == "sqlite":
            if parsed.database:
                _make_private(Path(parsed.database))
            self.engine = create_engine(
                url,
                hide_parameters=True,
                pool_size=_POOL_SIZE,
                max_overflow=_POOL_OVERFLOW,
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_MS / 1000},
            )
            _prepare_sqlite(self.engine)
        else:
            self.engine = create_engine(
                url,
                isolation_level="READ COMMITTED",
                hide_parameters=True,
                pool_pre_ping=True,
                pool_recycle=1800,
                pool_size=_POOL_SIZE,
                max_overflow=_POOL_OVERFLOW,
                connect_args={
                    "charset": "utf8mb4",
                    "connect_timeout": 5,
                    "read_timeout": 30,
                    "write_timeout": 30,
                    # The server's own modes may cut texts silently, or read quotes in another way.
                    "init_command": "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
                },
            )
            event.listen(self.engine, "handle_error", _drop_read_only)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that writes; committed at the end of the block, rolled back on an error."""
        with self._writing, self._transaction({"sqlite_begin": "BEGIN IMMEDIATE"}) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads: on SQLite it never waits for a writer."""
        with self._transaction({"sqlite_begin": "BEGIN"}) as session:
            yield session

    @contextmanager
    def _transaction(self, options: dict[str, Any]) -> Iterator[Session]:
        try:
            with (
                self.engine.connect().execution_options(**options) as connection,
                connection.begin(),
                Session(connection, expire_on_commit=False) as session,
            ):
                yield session
                session.flush()
            for do in session.info.get(_AFTER_COMMIT, ()):
                do()
        except OperationalError as error:
            raise unavailable(error.orig) from error
        except TimeoutError as error:
            raise DatabaseUnavailable("All connections to the database are in use; try again soon.") from error
        except DBAPIError as error:
            if error.connection_invalidated or is_broken_file(error.orig):
                raise unavailable(error.orig) from error
            raise

    def check(self) -> None:
        """Raises DatabaseUnavailable when the database does not answer, or its server takes no writes."""
        with self.read() as session:
            session.execute(text("SELECT 1"))
            if self.dialect != "sqlite" and _has_tables(session):
                # Changes no row, and a read-only server refuses it all the same.
                session.execute(text("UPDATE alembic_version SET version_num = version_num WHERE 1 = 0"))

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def _has_tables(session: Session) -> bool:
    return inspect(session.connection()).has_table("alembic_version")


def _drop_read_only(context: ExceptionContext) -> None:
    """Drops all connections to a server that became read-only: new ones reach the server that took over."""
    if is_read_only(context.original_exception):
        context.is_disconnect = True


def _make_private(file: Path) -> None:
    folder = file.parent
    try:
        # There are keys and other people's videos in it.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The database's folder {folder} cannot be made ({error.strerror}); choose another with "
            "VIDEO2MP3_DATA_DIR or VIDEO2MP3_DATABASE_URL."
        ) from None
    # SQLite gives the two beside it the file's own mode when it makes them.
    make_file(file)
    for suffix in ("-wal", "-shm"):
        close_to_others(file.with_name(file.name + suffix))


def _use_wal(connection: sqlite3.Connection) -> None:
    # SQLite changes the journal of a new file under an exclusive lock and does not wait for another process that
    # holds one, whatever its busy timeout is.
    deadline_s = time.monotonic() + SQLITE_BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline_s:
                raise
            time.sleep(_WAL_RETRY_S)
        else:
            return


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, entry: ConnectionPoolEntry) -> None:  # noqa: ARG001
        # The driver's own transaction handling is turned off: BEGIN is ours, below.
        connection.isolation_level = None
        connection.create_function("now_us", 0, lambda: time.time_ns() // 1000)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE"))
