"""Connections and transactions."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, TimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from video2mp3.errors import ConfigurationError, DatabaseFull, DatabaseUnavailable
from video2mp3.storage.private import close_to_others, make_file

# How long a writer waits for SQLite's one write lock.
SQLITE_BUSY_TIMEOUT_MS = 20_000
# Between two tries to change the journal of a new file, which another process locks.
_WAL_RETRY_S = 0.01
# Kept open, and opened besides where these are in use; then one waits.
_POOL_SIZE = 20
_POOL_OVERFLOW = 10
# What no other try mends: somebody has to look after the file.
_SQLITE_BROKEN = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)
# ER_DISK_FULL and ER_RECORD_FILE_FULL.
_MYSQL_FULL = (1021, 1114)

_DRIVERS = ("sqlite", "sqlite+pysqlite", "mysql+pymysql", "mariadb+pymysql")
_MYSQL_FILES = frozenset({"ssl_ca", "ssl_cert", "ssl_key"})
_MYSQL_PARAMETERS = _MYSQL_FILES | {
    "charset",
    "unix_socket",
    "ssl_check_hostname",
    "ssl_verify_cert",
    "ssl_verify_identity",
}

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
        parsed = _parse_url(url)
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
                    "init_command": "SET time_zone = '+00:00'",
                },
            )

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
            raise _unavailable(error.orig) from error
        except TimeoutError as error:
            raise DatabaseUnavailable("All connections to the database are in use; try again soon.") from error
        except DBAPIError as error:
            if error.connection_invalidated or _is_broken(error.orig):
                raise _unavailable(error.orig) from error
            raise

    def check(self) -> None:
        """Raises DatabaseUnavailable when the database does not answer."""
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def _parse_url(url: str) -> URL:
    """Returns the URL's parts. Raises ConfigurationError, with no secret of the URL in it, when it is unusable."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The second one: a password that a `:` or an `@` cuts short, the rest of which is no port.
        raise _wrong_url("it is not a database URL (in a password, @ is written %40, : %3A and / %2F)") from None
    if parsed.drivername not in _DRIVERS:
        # What cannot be a name may be a piece of a password.
        name = parsed.drivername if parsed.drivername.replace("+", "").isalnum() else "it"
        raise _wrong_url(f"{name} is not supported; use sqlite:///FILE or mysql+pymysql://user:password@host/DATABASE")
    if parsed.get_backend_name() == "sqlite":
        known: frozenset[str] = frozenset()
    else:
        known = _MYSQL_PARAMETERS
        if "@" in (parsed.host or ""):
            raise _wrong_url("it has an @ too many (in a password, @ is written %40)")
        if not parsed.database:
            raise _wrong_url("it names no database; write mysql+pymysql://user:password@host/DATABASE")
    if not known.issuperset(parsed.query):
        raise _wrong_url(f"it has a parameter that is not known; known are: {', '.join(sorted(known)) or 'none'}")
    for name in _MYSQL_FILES & set(parsed.query):
        if not os.access(str(parsed.query[name]), os.R_OK):
            raise _wrong_url(f"the file that {name} names cannot be read")
    return parsed


def _wrong_url(why: str) -> ConfigurationError:
    return ConfigurationError(f"VIDEO2MP3_DATABASE_URL: {why}.")


def _unavailable(error: BaseException | None) -> DatabaseUnavailable:
    if _is_full(error):
        return DatabaseFull()
    return DatabaseUnavailable(f"The database's file cannot be used: {error}." if _is_broken(error) else "")


def _is_broken(error: BaseException | None) -> bool:
    # The low byte is the condition, the others are its details.
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_BROKEN


def _is_full(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return error is not None and bool(error.args) and error.args[0] in _MYSQL_FULL


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
