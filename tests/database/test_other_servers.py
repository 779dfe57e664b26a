"""A server with other settings than the defaults, and each of its refusals, which say what is wrong."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pymysql
import pytest
from sqlalchemy import select, text

from tests.api.conftest import serving
from tests.servers import MariaDBServer
from tests.servers.roots import root_of
from video2mp3.api.frame.services import Services
from video2mp3.cli.roles.doctor import check_database
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.database.tables import User
from video2mp3.errors import ConfigurationError, DatabaseUnavailable, Unavailable
from video2mp3.outbound import Guard
from video2mp3.queue.memory import MemoryQueue
from video2mp3.settings import load_settings
from video2mp3.storage.disk import DiskStorage
from video2mp3.wiring import open_backends

_OPTIONS = (
    "--default-storage-engine=MyISAM",
    "--character-set-server=latin1",
    "--collation-server=latin1_swedish_ci",
    "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
    "--server-id=1",
    "--log-bin",
)


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDBServer]:
    server = MariaDBServer(*_OPTIONS)
    server.start()
    yield server
    server.close()


@dataclass(frozen=True)
class Customer:
    """A user of one database, which has rights in no other."""

    server: MariaDBServer
    name: str

    @property
    def url(self) -> str:
        return f"mysql+pymysql://{self.name}:secret@127.0.0.1:{self.server.port}/{self.name}"

    def grant(self, rights: str) -> None:
        self.server.execute(f"GRANT {rights} ON {self.name}.* TO {self.name}@'%'")

    def revoke(self, rights: str) -> None:
        self.server.execute(f"REVOKE {rights} ON {self.name}.* FROM {self.name}@'%'")


@pytest.fixture
def customer(server: MariaDBServer) -> Customer:
    name = re.sub(r".*/", "", server.new_database())
    server.execute(f"CREATE USER {name}@'%' IDENTIFIED BY 'secret'")
    customer = Customer(server, name)
    customer.grant("ALL")
    return customer


@contextmanager
def globally(server: MariaDBServer, setting: str, value: str, before: str) -> Iterator[None]:
    """The server's setting is another for the block."""
    server.execute(f"SET GLOBAL {setting} = {value}")
    try:
        yield
    finally:
        server.execute(f"SET GLOBAL {setting} = {before}")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    with closing(Database(url)) as database:
        yield database


@pytest.fixture
def database(customer: Customer) -> Iterator[Database]:
    """The customer's, with its tables."""
    with opened(customer.url) as database:
        migrate.upgrade(database)
        yield database


def wrong_password(customer: Customer, _: ExitStack) -> str:
    return customer.url.replace(":secret@", ":wrong@")


def no_such_database(customer: Customer, _: ExitStack) -> str:
    return f"{customer.server.url}nowhere"


def no_rights(customer: Customer, _: ExitStack) -> str:
    customer.revoke("ALL")
    return customer.url


def no_insert(customer: Customer, _: ExitStack) -> str:
    customer.revoke("INSERT")
    return customer.url


def binary_log_of_statements(customer: Customer, block: ExitStack) -> str:
    block.enter_context(globally(customer.server, "binlog_format", "STATEMENT", "ROW"))
    return customer.url


def read_only_server(customer: Customer, block: ExitStack) -> str:
    block.enter_context(globally(customer.server, "read_only", "1", "0"))
    return customer.url


def read_only_transactions(customer: Customer, block: ExitStack) -> str:
    name = "transaction_read_only" if root_of("MYSQL") else "tx_read_only"
    block.enter_context(globally(customer.server, name, "1", "0"))
    return customer.url


def too_many_connections_of_a_user(customer: Customer, block: ExitStack) -> str:
    customer.server.execute(f"ALTER USER {customer.name}@'%' WITH MAX_USER_CONNECTIONS 1")
    block.enter_context(_connect(customer))
    return customer.url


def too_many_connections(customer: Customer, block: ExitStack) -> str:
    block.enter_context(globally(customer.server, "max_connections", "10", "500"))
    with suppress(pymysql.OperationalError):
        while True:
            block.enter_context(_connect(customer))
    return customer.url


def _connect(customer: Customer) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(host="127.0.0.1", port=customer.server.port, user=customer.name, password="secret")


REFUSALS: list[tuple[Callable[[Customer, ExitStack], str], str]] = [
    (wrong_password, "rejects the user name or the password of VIDEO2MP3_DATABASE_URL (Access denied"),
    (no_such_database, "does not exist; run CREATE DATABASE"),
    (no_rights, "does not exist, or its user has no rights in it"),
    (no_insert, "user lacks a right; an administrator runs GRANT ALL ON database.* TO the user (INSERT"),
    (binary_log_of_statements, "set binlog_format to ROW"),
    (read_only_server, "is read-only"),
    (read_only_transactions, "is read-only"),
    (too_many_connections_of_a_user, "takes no more connections; raise max_connections"),
    (too_many_connections, "takes no more connections; raise max_connections"),
]


@pytest.mark.parametrize(("prepare", "said"), REFUSALS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_refusal_is_said_at_the_start_and_by_doctor(
    prepare: Callable[[Customer, ExitStack], str], said: str, customer: Customer, database: Database, tmp_path: Path
) -> None:
    database.close()
    with ExitStack() as block:
        settings = load_settings(database_url=prepare(customer, block), data_dir=tmp_path)
        with pytest.raises(ConfigurationError) as raised, open_backends(settings, with_tables=True):
            pass
        assert said in raised.value.detail
        with pytest.raises(Unavailable) as told:
            check_database(settings)
        assert said in str(told.value)
        assert "secret" not in raised.value.detail + str(told.value)
        # Those who use the API learn none of it.
        assert isinstance(raised.value.__cause__, DatabaseUnavailable)
        assert raised.value.__cause__.detail == "The database is unavailable; try again soon."


def test_without_the_right_to_create_tables_doctor_and_migrate_say_so(customer: Customer, tmp_path: Path) -> None:
    customer.revoke("CREATE")
    with opened(customer.url) as database, pytest.raises(DatabaseUnavailable, match=r"lacks a right.*CREATE"):
        migrate.upgrade(database)
    with pytest.raises(DatabaseUnavailable, match=r"lacks a right.*CREATE"):
        check_database(load_settings(database_url=customer.url, data_dir=tmp_path))


def test_tables_are_what_they_are_on_every_server(customer: Customer, database: Database) -> None:
    """It should depend on no default: neither the engine, nor the texts, nor the modes of SQL."""
    migrate.require_usable(database)
    name = 'Grüße "東京" \\ \' 😀'
    with database.write() as session:
        session.add(User(username=name, username_key=name, created_at=0))
    with database.read() as session:
        assert session.scalar(select(User.username).where(User.username_key == name)) == name
        with pytest.raises(DatabaseUnavailable, match="Data too long"):
            _add(database, "x" * 256)


def _add(database: Database, name: str) -> None:
    try:
        with database.write() as session:
            session.add(User(username=name, username_key=name, created_at=0))
    except Exception as error:
        raise DatabaseUnavailable(reason=str(error)) from error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("ALTER TABLE workers ENGINE = MyISAM", "table workers is of the engine MyISAM"),
        (
            "ALTER TABLE users MODIFY username_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
            "column users.username_key has the collation utf8mb4_general_ci in place of utf8mb4_bin",
        ),
    ],
)
def test_a_table_that_was_changed_stops_the_start(change: str, said: str, database: Database) -> None:
    with database.write() as session:
        session.execute(text(change))
    with pytest.raises(ConfigurationError, match=said):
        migrate.require_usable(database)


def _connection_id(database: Database) -> int:
    with database.read() as session:
        return int(session.execute(text("SELECT CONNECTION_ID()")).scalar_one())


def test_a_server_that_became_a_replica_loses_its_connections(
    customer: Customer, database: Database, tmp_path: Path
) -> None:
    """It should not be ready, and connect anew: the name of the server may lead to another one by now."""
    queue, storage = MemoryQueue(), DiskStorage(tmp_path / "storage")
    settings = load_settings(data_dir=tmp_path)
    services = Services(settings, database, queue, storage, lambda: None, Guard(), trust_loopback=False)
    with serving(services) as url, httpx.Client(base_url=url, timeout=30) as client:
        before = _connection_id(database)
        assert _connection_id(database) == before
        with globally(customer.server, "read_only", "1", "0"):
            with pytest.raises(DatabaseUnavailable, match="read-only"):
                _add(database, "ada")
            assert _connection_id(database) != before
            answer = client.get("/readyz")
            assert (answer.status_code, answer.json()["dependencies"]["database"]) == (503, "unavailable")
        _add(database, "ada")
        database.check()
    storage.close()
    queue.close()
