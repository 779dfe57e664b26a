import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Column, Connection, inspect, text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from video2mp3.database import connection, migrate, migrations
from video2mp3.database.connection import Database
from video2mp3.database.tables import Base, User
from video2mp3.errors import ConfigurationError, DatabaseUnavailable


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    database = Database(empty_database_url)
    yield database
    database.close()


def _compare_type(
    context: MigrationContext,
    inspected: Column[object],
    ours: Column[object],
    inspected_type: TypeEngine[object],
    our_type: TypeEngine[object],
) -> bool | None:
    # MariaDB keeps JSON as LONGTEXT.
    return False if isinstance(our_type, JSON) and isinstance(inspected_type, mysql.LONGTEXT) else None


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": _compare_type})
    return list(compare_metadata(context, Base.metadata))


def test_a_migrated_database_has_exactly_the_tables_of_the_code(database: Database) -> None:
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        assert differences(connection) == []
        # The comparison can see a difference.
        connection.execute(text("DROP INDEX ix_jobs_expiry" + ("" if database.dialect == "sqlite" else " ON jobs")))
        assert len(differences(connection)) == 1


def test_columns_have_the_same_definition_as_those_that_the_code_would_create(database: Database) -> None:
    """Character sets and collations, which the comparison of metadata does not look at."""
    migrate.upgrade(database)
    migrated = _definitions(database)
    migrate.downgrade(database, "base")
    Base.metadata.create_all(database.engine)
    assert migrated == _definitions(database)


def _definitions(database: Database) -> dict[str, list[str]]:
    tables = inspect(database.engine)
    return {
        name: sorted(str((c["name"], repr(c["type"]), c["nullable"], c["default"])) for c in tables.get_columns(name))
        for name in Base.metadata.tables
    }


def test_the_tables_go_up_down_and_up_again(database: Database) -> None:
    assert migrate.current(database) is None
    migrate.upgrade(database)
    assert migrate.current(database) == migrate.head()
    with database.write() as session:
        session.add(User(username="Anna", username_key="anna", created_at=0))
    migrate.downgrade(database, "base")
    assert migrate.current(database) is None
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    migrate.upgrade(database)
    with database.read() as session:
        assert session.query(User).count() == 0


def test_the_scripts_names_tell_alembic_s_own_order() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert [script.revision for script in scripts.walk_revisions()] == migrate.revisions()[::-1]


def test_a_server_whose_tables_are_current_loads_no_alembic(database: Database, empty_database_url: str) -> None:
    program = f"""
import sys
from video2mp3.database import migrate
from video2mp3.database.connection import Database

migrate.upgrade(Database({empty_database_url!r}))
print("alembic" in sys.modules)
"""
    outputs = [subprocess.check_output([sys.executable, "-c", program], text=True) for _ in range(2)]
    assert outputs == ["True\n", "False\n"]


def test_an_upgrade_keeps_the_rows_of_a_current_database(database: Database) -> None:
    migrate.upgrade(database)
    with database.write() as session:
        session.add(User(username="Anna", username_key="anna", created_at=0))
    migrate.upgrade(database)
    with database.read() as session:
        assert session.query(User).count() == 1


def test_processes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    databases = [Database(empty_database_url) for _ in range(6)]
    with ThreadPoolExecutor(len(databases)) as pool:
        list(pool.map(migrate.upgrade, databases))
    for database in databases:
        assert migrate.current(database) == migrate.head()
        database.close()


def test_a_new_sqlite_file_is_waited_for_while_another_process_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "new.db"
    with ThreadPoolExecutor(1) as pool, sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")  # refuses a change of the journal at once, without a wait
        opening = pool.submit(Database(f"sqlite:///{file}").check)
        with pytest.raises(TimeoutError):
            opening.result(0.3)
        other.execute("COMMIT")
        opening.result(60)


def test_foreign_keys_hold_again_after_a_migration(database: Database) -> None:
    migrate.upgrade(database)
    if database.dialect == "sqlite":
        with database.read() as session:
            assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_an_empty_database_is_refused_with_what_to_do(database: Database) -> None:
    with pytest.raises(ConfigurationError, match=r"VIDEO2MP3_DATABASE_URL.*empty.*video2mp3 migrate"):
        migrate.require_current(database)
    migrate.upgrade(database)
    migrate.require_current(database)


def test_a_database_of_a_newer_version_is_refused(database: Database) -> None:
    migrate.upgrade(database)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refused in (migrate.require_current, migrate.upgrade):
        with pytest.raises(ConfigurationError, match="newer video2mp3"):
            refused(database)


def _set_revision(database: Database, revision: str) -> None:
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_a_database_of_a_newer_version_is_used_where_that_says_so(database: Database) -> None:
    """It should be possible to start again during an upgrade, and to go back to this version after one."""
    migrate.upgrade(database)
    number = migrate.head()[:4]
    newer = f"{int(number) + 1:04}"
    _set_revision(database, f"{newer}-{number}")
    migrate.upgrade(database)
    migrate.require_usable(database)
    assert migrate.current(database) == f"{newer}-{number}"
    _set_revision(database, f"{newer}-{newer}")
    for refused in (migrate.require_usable, migrate.upgrade):
        with pytest.raises(ConfigurationError, match="newer video2mp3"):
            refused(database)


@pytest.mark.parametrize(
    ("revision", "own", "is_usable"),
    [
        ("0007-0005", "0005-0001", True),
        ("0007-0005", "0006-0005", True),
        ("0007-0005", "0004-0001", False),
        ("0007", "0006-0001", False),
        ("0003-0001", "0005-0001", False),
    ],
)
def test_a_revision_names_the_oldest_that_works_with_it(revision: str, own: str, is_usable: bool) -> None:
    assert migrate.is_newer_and_usable(revision, own) == is_usable


def test_who_waits_for_a_migration_on_sqlite_has_more_patience_than_a_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SQLITE_BUSY_TIMEOUT_MS", 100)
    url = f"sqlite:///{tmp_path}/new.db"
    Database(url).check()
    with ThreadPoolExecutor(1) as pool, sqlite3.connect(tmp_path / "new.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable), Database(url).write():
            pass
        waiting = pool.submit(migrate.upgrade, Database(url))
        with pytest.raises(TimeoutError):
            waiting.result(timeout=1)
        other.execute("COMMIT")
        waiting.result(timeout=60)
