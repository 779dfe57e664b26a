"""Brings the tables to a revision; safe when many processes start at once.

A revision is a number, and the oldest number whose version works with its tables: `0007-0005`. So replicas of an older
version start beside newer ones, and an upgrade can be rolled back without the tables.

Alembic is loaded only where there is something to bring: it would be a twelfth of an API process's memory.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import OperationalError

from video2mp3.database.connection import SQLITE_BUSY_TIMEOUT_MS, Database
from video2mp3.database.definitions import check_definitions, check_write
from video2mp3.database.refusals import unavailable
from video2mp3.errors import ConfigurationError, DatabaseUnavailable

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
# One wait for the lock; shorter than the connection's read timeout.
_LOCK_WAIT_S = 20
_LOCK_WAITS = 30


def upgrade(database: Database, revision: str = "head") -> None:
    """Brings the tables up to `revision`; does nothing when they are there already, or newer and usable.

    Raises:
        DatabaseUnavailable: when the database does not answer, or another process migrates for 10 minutes.
        ConfigurationError: when the database is of a newer version whose tables this version cannot use.
    """
    if revision == "head" and _is_current(current(database)):
        return
    from alembic import command

    with _exclusively(database) as connection:
        found = _revision(connection)
        _require_known(found)
        # Another process may have been faster.
        if revision != "head" or not _is_current(found):
            command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Takes the tables down to `revision`; `base` is an empty database. Deletes what the older tables cannot hold."""
    from alembic import command

    with _exclusively(database) as connection:
        command.downgrade(_config(connection), revision)


def current(database: Database) -> str | None:
    """Returns the database's revision; None when it has no tables."""
    with database.read() as session:
        return _revision(session.connection())


def head() -> str:
    """Returns the newest revision, which this version needs."""
    return revisions()[-1]


def revisions() -> list[str]:
    """Returns all that this version knows, the oldest first.

    The script of the revision `0007-0005` is named `v0007_since_0005_what_it_does.py`.
    """
    names = [re.match(r"v(\d{4})(?:_since_(\d{4}))?_", path.name) for path in (_MIGRATIONS / "versions").glob("v*.py")]
    return sorted("-".join(filter(None, name.groups())) for name in names if name)


class TablesOutdated(ConfigurationError):
    """The tables are older than this version's, or missing: another process may be about to make them."""


def require_current(database: Database) -> None:
    """Returns when the tables are those of this version, or newer and usable.

    Raises:
        TablesOutdated: saying what to do.
        ConfigurationError: when the database is of a newer version whose tables this version cannot use.
        DatabaseUnavailable: when the database does not answer.
    """
    revision = current(database)
    _require_known(revision)
    if not _is_current(revision):
        found = f"at revision {revision}" if revision else "empty"
        raise TablesOutdated(
            f"VIDEO2MP3_DATABASE_URL: the database is {found}, and {head()} is needed; run: video2mp3 migrate"
        )


def require_usable(database: Database) -> None:
    """Returns when the tables are those of this version, unchanged, and take writes.

    Raises:
        TablesOutdated: see `require_current`.
        ConfigurationError: when the database is of a newer version, or a table was changed.
        DatabaseUnavailable: when the database does not answer, or refuses to write.
    """
    require_current(database)
    check_definitions(database)
    check_write(database)


def _is_current(revision: str | None) -> bool:
    return revision is not None and (revision == head() or is_newer_and_usable(revision, head()))


def is_newer_and_usable(revision: str, own: str) -> bool:
    """Returns whether a version whose newest revision is `own` works with the tables of a newer one."""
    number, _, since = revision.partition("-")
    own_number = own.partition("-")[0]
    return number > own_number and bool(since) and since <= own_number


def _require_known(revision: str | None) -> None:
    if revision is not None and revision not in revisions() and not _is_current(revision):
        raise ConfigurationError(
            f"VIDEO2MP3_DATABASE_URL: the database is at revision {revision}, which this version does not know; "
            "it belongs to a newer video2mp3."
        )


@contextmanager
def _exclusively(database: Database) -> Iterator[Connection]:
    """A transaction in which no other process migrates."""
    try:
        with database.engine.connect().execution_options(sqlite_begin="BEGIN IMMEDIATE") as connection:
            if database.dialect == "sqlite":
                with _without_foreign_keys(connection), _patiently(connection), connection.begin():
                    yield connection
            else:
                with _named_lock(connection), connection.begin():
                    yield connection
    except OperationalError as error:
        raise unavailable(error.orig) from error


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    # A batch change drops the old copy of a table, and SQLite would delete all rows that refer to it. The pragma
    # does nothing within a transaction, so it goes past SQLAlchemy, which would begin one.
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


@contextmanager
def _patiently(connection: Connection) -> Iterator[None]:
    """Waits for SQLite's one write lock as long as another process may migrate."""
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_S * _LOCK_WAITS * 1000}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {SQLITE_BUSY_TIMEOUT_MS}")


@contextmanager
def _named_lock(connection: Connection) -> Iterator[None]:
    # The lock belongs to the connection and ends with it. Its name is the server's, so it holds the database's.
    name = f"video2mp3:{connection.engine.url.database}"[:64]
    for _ in range(_LOCK_WAITS):
        with connection.begin():
            taken = connection.scalar(select(func.get_lock(name, _LOCK_WAIT_S)))
        if taken == 1:
            break
    else:
        raise DatabaseUnavailable("Another process is changing the database's tables; try again when it is done.")
    try:
        yield
    finally:
        with suppress(OperationalError), connection.begin():
            connection.execute(select(func.release_lock(name)))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    # A percent sign in the path would be taken for a variable.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
