"""Whether tables are as they were created, and take writes: what a server's operator can change behind our back."""

from collections.abc import Iterator

from sqlalchemy import Dialect, delete, insert, text
from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.database.tables import Base, PeriodicTask, new_id
from video2mp3.errors import ConfigurationError


def check_definitions(database: Database) -> None:
    """Compares the tables' engine and the texts' collations with those that were created (MySQL and MariaDB).

    Raises:
        ConfigurationError: naming what differs. Without InnoDB nothing is taken back, and another collation takes
            names and ids for equal that are not.
    """
    if database.dialect == "sqlite":
        return
    with database.read() as session:
        found = next(_differences(session, database.engine.dialect), None)
    if found:
        raise ConfigurationError(f"VIDEO2MP3_DATABASE_URL: {found}.")


def check_write(database: Database) -> None:
    """Writes a row and deletes it. Raises DatabaseUnavailable with the reason where that is refused."""
    name = new_id()
    with database.write() as session:
        session.execute(insert(PeriodicTask).values(name=name, due_at=0))
        session.execute(delete(PeriodicTask).where(PeriodicTask.name == name))


def check_create(database: Database) -> None:
    """Creates a table and drops it. Raises DatabaseUnavailable with the reason where that is refused."""
    name = f"video2mp3_check_{new_id()}"
    with database.write() as session:
        session.execute(text(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY)"))
        session.execute(text(f"DROP TABLE {name}"))


def _differences(session: Session, dialect: Dialect) -> Iterator[str]:
    ours = Base.metadata.tables
    tables = "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = DATABASE()"
    for table, engine in session.execute(text(tables)):
        if table in ours and engine != (created := ours[table].kwargs[f"{dialect.name}_engine"]):
            yield f"table {table} is of the engine {engine}; run ALTER TABLE {table} ENGINE = {created}"
    columns = "SELECT table_name, column_name, collation_name FROM information_schema.columns"
    for table, column, collation in session.execute(text(f"{columns} WHERE table_schema = DATABASE()")):
        known = ours.get(table)
        if known is None or column not in known.columns:
            continue
        created = getattr(known.columns[column].type.dialect_impl(dialect), "collation", None)
        if created and collation != created:
            yield f"column {table}.{column} has the collation {collation} in place of {created}; change it back"
