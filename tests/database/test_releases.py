"""Databases of released versions: this version opens them, and replicas of theirs work beside it."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pymysql
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tests.api.conftest import serving
from tests.database.expansion import contractions, tables_of
from tests.database.releases import PASSWORD, Release, releases
from tests.database.test_migrate import differences
from tests.worker.system import System
from video2mp3.api.frame.services import Services
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.outbound import Guard
from video2mp3.queue.memory import MemoryQueue
from video2mp3.settings import load_settings

RELEASES = releases()


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    """Without tables."""
    database = Database(empty_database_url)
    yield database
    database.close()


@pytest.fixture(params=RELEASES, ids=lambda release: release.version)
def release(request: pytest.FixtureRequest) -> Release:
    found: Release = request.param
    return found


@pytest.mark.parametrize("rows", ["from before the upgrade", "from a replica of the release, after it"])
def test_a_database_of_a_release_is_opened(release: Release, database: Database, rows: str, tmp_path: Path) -> None:
    """It should sign its users in, list and send what they have, and convert what waits."""
    release.create_tables(database)
    revision = migrate.current(database)
    if rows == "from before the upgrade":
        release.insert_rows(database)
    migrate.upgrade(database)
    migrate.require_usable(database)
    if rows != "from before the upgrade":
        if release != RELEASES[-1] and not migrate.is_newer_and_usable(migrate.head(), revision or ""):
            pytest.skip("Replicas of this release do not run beside this version.")
        release.insert_rows(database)
    _use(System(database, MemoryQueue(), release.store_objects(tmp_path / "storage")), release, tmp_path)


def _use(system: System, release: Release, folder: Path) -> None:
    known = release.known
    settings = load_settings(data_dir=folder)
    services = Services(
        settings, system.database, system.queue, system.storage, lambda: None, Guard(), trust_loopback=False
    )
    with serving(services) as url, httpx.Client(base_url=url, timeout=60) as client:
        account = {"username": known["username"], "password": PASSWORD}
        token = client.post("/v1/sessions", json=account).raise_for_status().json()["access_token"]
        jobs = client.get("/v1/conversions", headers=_bearer(token)).raise_for_status().json()["items"]
        assert {job["id"]: job["state"] for job in jobs} == {
            known["waiting"]: "queued",
            known["batched"]: "finished",
            known["finished"]: "finished",
        }
        with system.running():
            system.wait_for(known["waiting"], "finished")
        mp3s = [
            client.get(f"/v1/conversions/{known[name]}/mp3", headers=_bearer(known["api_key"])).raise_for_status()
            for name in ("finished", "waiting")
        ]
    assert mp3s[0].content in release.objects.values()
    assert mp3s[1].headers["content-type"] == "audio/mpeg"


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_a_migrated_database_of_a_release_has_the_tables_of_the_code(release: Release, database: Database) -> None:
    """Where it fails after a change of tables: add a migration; before the release, run `make schema-fixture`."""
    release.create_tables(database)
    migrate.upgrade(database)
    with database.engine.connect() as connection:
        assert differences(connection) == []


def test_tables_keep_what_replicas_of_a_release_need_where_their_revision_says_so(
    release: Release, database: Database
) -> None:
    """It should hold for the last release in any case: its replicas run beside new ones during an upgrade."""
    release.create_tables(database)
    before, revision = tables_of(database), migrate.current(database)
    assert revision is not None
    migrate.upgrade(database)
    is_promised = revision == migrate.head() or migrate.is_newer_and_usable(migrate.head(), revision)
    assert is_promised or release != RELEASES[-1]
    assert not is_promised or contractions(before, tables_of(database)) == []


def drop_table(op: Operations) -> None:
    op.drop_table("attempts")


def rename_table(op: Operations) -> None:
    op.rename_table("attempts", "tries")


def drop_column(op: Operations) -> None:
    with op.batch_alter_table("workers") as table:
        table.drop_column("drain_requested")


def rename_column(op: Operations) -> None:
    with op.batch_alter_table("workers") as table:
        table.alter_column("slots", new_column_name="threads", existing_type=sa.SmallInteger(), existing_nullable=False)


def add_not_null(op: Operations) -> None:
    with op.batch_alter_table("workers") as table:
        table.add_column(sa.Column("zone", sa.String(32), nullable=False))


def shorten(op: Operations) -> None:
    with op.batch_alter_table("workers") as table:
        table.alter_column("host", type_=sa.String(4), existing_type=sa.String(255), existing_nullable=False)


def make_unique(op: Operations) -> None:
    op.create_index("uq_uploads_user", "uploads", ["user_id"], unique=True)


def allow_null(op: Operations) -> None:
    with op.batch_alter_table("workers") as table:
        table.alter_column("slots", existing_type=sa.SmallInteger(), nullable=True)


def expand(op: Operations) -> None:
    op.create_table("zones", sa.Column("id", sa.String(32), primary_key=True))
    with op.batch_alter_table("workers") as table:
        table.add_column(sa.Column("zone", sa.String(32), nullable=True))
        table.add_column(sa.Column("cores", sa.SmallInteger(), nullable=False, server_default="1"))


@pytest.mark.parametrize(
    ("change", "found", "is_felt"),
    [
        (drop_table, "table attempts was dropped or renamed", True),
        (rename_table, "table attempts was dropped or renamed", True),
        (drop_column, "column workers.drain_requested was dropped or renamed", True),
        (rename_column, "column workers.slots was dropped or renamed", True),
        (add_not_null, "column workers.zone is new, takes no NULL and has no server default", True),
        (shorten, "column workers.host is VARCHAR(4)", False),
        (make_unique, "columns user_id of uploads are unique now", False),
        (allow_null, "column workers.slots may be NULL now", False),
        (expand, None, False),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_migration_that_breaks_the_version_before_is_found(
    change: Callable[[Operations], None], found: str | None, is_felt: bool, database: Database
) -> None:
    """It should be found by the rule; a replica of the release fails to write where the rule says so."""
    release = RELEASES[-1]
    release.create_tables(database)
    before = tables_of(database)
    with database.engine.begin() as connection:
        change(Operations(MigrationContext.configure(connection)))
    broken = contractions(before, tables_of(database))
    assert (broken == []) if found is None else any(found in each for each in broken), broken
    if is_felt:
        with pytest.raises((sqlite3.Error, pymysql.Error)):
            release.insert_rows(database)
    elif found is None:
        release.insert_rows(database)
