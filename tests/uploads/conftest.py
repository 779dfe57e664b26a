from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Bucket
from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.tables import User, new_id
from video2mp3.storage import Storage
from video2mp3.storage.disk import DiskStorage


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
        storage = bucket.open(tmp_path / "scratch")
    yield storage
    storage.close()


def add_user(database: Database, name: str) -> str:
    user_id = new_id()
    with database.write() as session:
        session.add(User(id=user_id, username=name, username_key=name, created_at=now()))
    return user_id
