"""Fixtures that every area's tests share: real servers, and each protocol with all of its backends."""

import functools
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
import structlog
from httpx._transports import default as httpx_transport
from hypothesis import settings as hypothesis_settings

from tests.databases import MariaDBDatabases, new_sqlite, share_compiled_statements
from tests.servers import Bucket, MariaDBServer, RabbitMQServer, S3Server, SMTPServer
from video2mp3.database.connection import Database
from video2mp3.queue import Queue
from video2mp3.queue.memory import MemoryQueue
from video2mp3.queue.rabbitmq import RabbitQueue
from video2mp3.storage import Storage
from video2mp3.storage.disk import DiskStorage

# The tests ignore the config.toml of the user who runs them.
os.environ["VIDEO2MP3_CONFIG"] = os.devnull
# A script that runs them in the background lets them ignore Ctrl-C, and so the programs that tests end with it.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine takes longer than its 200 ms for one example.
hypothesis_settings.register_profile("unhurried", deadline=None)
hypothesis_settings.load_profile("unhurried")
# Each client would parse the 140 certificates of public authorities: 25 ms of CPU, for servers without a certificate.
httpx_transport.create_ssl_context = functools.cache(httpx_transport.create_ssl_context)  # type: ignore[attr-defined]
share_compiled_statements()
# As the service does: structlog would draw each traceback with its lines of code, which takes 20 ms of CPU.
_PLAIN = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _PLAIN])

# Where the files are that take longest: at the end of a run by several processes, none of them should be left alone.
_FIRST = (
    *("chaos", "acceptance", "abuse", "described", "page", "worker", "install", "test_loops.py"),
    *("client", "engine", "mp3", "queue", "proxies", "api", "jobs", "cli"),
)

# What imports and collection make lives as long as the run: looking for garbage among it takes a sixth of their CPU.
gc.disable()


def pytest_collection_finish() -> None:
    """Lets the collector look at what the tests themselves make only."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the folders and files first that take longest; what is in a folder keeps its order."""
    ranks = {name: rank for rank, name in enumerate(_FIRST)}

    def rank(item: pytest.Item) -> int:
        return ranks.get(item.path.name, ranks.get(item.path.parent.name, len(ranks)))

    items.sort(key=rank)


class _Server(Protocol):
    def start(self) -> None: ...
    def close(self) -> None: ...


Server = TypeVar("Server", bound=_Server)


def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQServer]:
    """A broker for the whole run; a test that stops or kills it starts it again."""
    yield from _running(RabbitMQServer())


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    """A database server for the whole run; `new_database()` for each test."""
    yield from _running(MariaDBServer())


@pytest.fixture(scope="session")
def mariadb_databases(mariadb: MariaDBServer) -> MariaDBDatabases:
    """Databases of that server that have their tables."""
    return MariaDBDatabases(mariadb)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 server for the whole run; `new_bucket()` for each test."""
    yield from _running(S3Server())


@pytest.fixture
def smtp() -> Iterator[SMTPServer]:
    """A mail server for one test."""
    yield from _running(SMTPServer())


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    """An empty bucket."""
    return s3.new_bucket()


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database, of each kind, with its tables."""
    if request.param == "sqlite":
        yield new_sqlite(tmp_path / "video2mp3.db")
        return
    databases: MariaDBDatabases = request.getfixturevalue("mariadb_databases")
    with databases.lend() as url:
        yield url


@pytest.fixture(params=["sqlite", "mariadb"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database, of each kind, without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'video2mp3.db'}"
    mariadb: MariaDBServer = request.getfixturevalue("mariadb")
    return mariadb.new_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database, of each kind, with its tables."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(params=["disk", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty storage, of each kind."""
    storage: Storage
    if request.param == "disk":
        storage = DiskStorage(tmp_path / "storage")
    else:
        bucket: Bucket = request.getfixturevalue("bucket")
        storage = bucket.open(tmp_path / "scratch")
    yield storage
    storage.close()


@pytest.fixture(params=["memory", "rabbitmq"])
def queue(request: pytest.FixtureRequest) -> Iterator[Queue]:
    """An empty queue, of each kind."""
    queue: Queue
    if request.param == "memory":
        queue = MemoryQueue()
    else:
        rabbitmq: RabbitMQServer = request.getfixturevalue("rabbitmq")
        rabbitmq.clear()
        queue = RabbitQueue(rabbitmq.url)
    yield queue
    queue.close()
