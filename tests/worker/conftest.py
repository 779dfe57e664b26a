from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Bucket, MariaDBServer, RabbitMQServer
from tests.worker.system import System
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.queue.memory import MemoryQueue
from video2mp3.queue.rabbitmq import RabbitQueue
from video2mp3.storage.disk import DiskStorage


def _embedded(folder: Path) -> System:
    database = Database(f"sqlite:///{folder / 'video2mp3.db'}")
    return System(database, MemoryQueue(), DiskStorage(folder / "storage"))


def _distributed(request: pytest.FixtureRequest, folder: Path) -> System:
    mariadb: MariaDBServer = request.getfixturevalue("mariadb")
    rabbitmq: RabbitMQServer = request.getfixturevalue("rabbitmq")
    bucket: Bucket = request.getfixturevalue("bucket")
    rabbitmq.clear()
    storage = bucket.open(folder / "scratch")
    return System(Database(mariadb.new_database()), RabbitQueue(rabbitmq.url), storage)


def _opened(system: System) -> Iterator[System]:
    migrate.upgrade(system.database)
    yield system
    system.queue.close()
    system.storage.close()
    system.database.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[System]:
    """SQLite, memory and disk."""
    yield from _opened(_embedded(tmp_path))


@pytest.fixture
def distributed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """MariaDB, RabbitMQ and S3."""
    yield from _opened(_distributed(request, tmp_path))


@pytest.fixture(params=["embedded", "distributed"])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """SQLite, memory and disk; and MariaDB, RabbitMQ and S3."""
    yield from _opened(_embedded(tmp_path) if request.param == "embedded" else _distributed(request, tmp_path))
