from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Bucket
from video2mp3.database import migrate
from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.tables import User, new_id
from video2mp3.storage import Storage
from video2mp3.storage.disk import DiskStorage
from video2mp3.storage.objects import ObjectStorage


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of each kind, with its tables."""
    database = Database(database_url)
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def user_id(database: Database) -> str:
    """A user of that database."""
    return add_user(database, "ada")


@pytest.fixture
def storage(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[Storage]:
    """An empty storage: the disk beside SQLite, S3 beside MariaDB."""
    storage: Storage
    if database_url.startswith("sqlite"):
        storage = DiskStorage(tmp_path / "storage")
    else:
        bucket: Bucket = request.getfixturevalue("bucket")
        storage = ObjectStorage(
            bucket.url,
            endpoint_url=bucket.endpoint_url,
            region=bucket.region,
            access_key_id=bucket.access_key_id,
            secret_access_key=bucket.secret_access_key,
            scratch_folder=tmp_path / "scratch",
        )
    yield storage
    storage.close()


def add_user(database: Database, name: str) -> str:
    user_id = new_id()
    with database.write() as session:
        session.add(User(id=user_id, username=name, username_key=name, created_at=now()))
    return user_id
