from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import MariaDBDatabases, new_sqlite
from tests.servers import Bucket, RabbitMQServer
from tests.worker.system import System
from video2mp3.database.connection import Database
from video2mp3.jobs.housekeeping import loops
from video2mp3.queue.memory import MemoryQueue
from video2mp3.queue.rabbitmq import RabbitQueue
from video2mp3.storage.disk import DiskStorage
from video2mp3.worker import leases, transfers


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loops look for every second, they look for ten times a second; heartbeats come twice a second."""
    monkeypatch.setattr(loops, "RELAY_EVERY_S", 0.1)
    monkeypatch.setattr(transfers, "_EVERY_S", 0.1)
    monkeypatch.setattr(leases, "HEARTBEAT_S", 0.5)
    monkeypatch.setattr(leases, "PROGRESS_S", 0.2)


def _embedded(folder: Path) -> Iterator[System]:
    database = Database(new_sqlite(folder / "video2mp3.db"))
    yield from _closed(System(database, MemoryQueue(), DiskStorage(folder / "storage")))


def _distributed(request: pytest.FixtureRequest, folder: Path) -> Iterator[System]:
    databases: MariaDBDatabases = request.getfixturevalue("mariadb_databases")
    rabbitmq: RabbitMQServer = request.getfixturevalue("rabbitmq")
    bucket: Bucket = request.getfixturevalue("bucket")
    rabbitmq.clear()
    storage = bucket.open(folder / "scratch")
    with databases.lend() as url:
        yield from _closed(System(Database(url), RabbitQueue(rabbitmq.url), storage))


def _closed(system: System) -> Iterator[System]:
    yield system
    system.queue.close()
    system.storage.close()
    system.database.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[System]:
    """SQLite, memory and disk."""
    yield from _embedded(tmp_path)


@pytest.fixture
def distributed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """MariaDB, RabbitMQ and S3."""
    yield from _distributed(request, tmp_path)


@pytest.fixture(params=["embedded", "distributed"])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """SQLite, memory and disk; and MariaDB, RabbitMQ and S3."""
    yield from _embedded(tmp_path) if request.param == "embedded" else _distributed(request, tmp_path)
