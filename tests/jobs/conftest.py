from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.rows import make_user
from video2mp3.database.connection import Database
from video2mp3.queue.memory import MemoryQueue
from video2mp3.storage.disk import DiskStorage


@pytest.fixture
def user_id(database: Database) -> str:
    """A user of that database."""
    return make_user(database)


@pytest.fixture
def memory() -> Iterator[MemoryQueue]:
    """An empty queue in memory."""
    queue = MemoryQueue()
    yield queue
    queue.close()


@pytest.fixture
def disk(tmp_path: Path) -> DiskStorage:
    """An empty storage on disk."""
    return DiskStorage(tmp_path / "storage")
