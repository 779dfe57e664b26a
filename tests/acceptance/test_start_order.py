"""Roles that start before the servers they use: they wait, and say what for."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import Role, base_env, migrate
from tests.chaos.proxy import Proxy, ProxyNetwork
from tests.servers import MariaDBServer, free_port, wait_until


@pytest.fixture
def network() -> Iterator[ProxyNetwork]:
    network = ProxyNetwork()
    yield network
    network.close()


@pytest.fixture
def away(network: ProxyNetwork, mariadb: MariaDBServer) -> tuple[Proxy, dict[str, str]]:
    """A database that refuses connections, and the settings that name it."""
    proxy = network.proxy(mariadb.port)
    proxy.refuse()
    url = mariadb.new_database().replace(f":{mariadb.port}/", f":{proxy.port}/")
    return proxy, {"VIDEO2MP3_DATABASE_URL": url, "VIDEO2MP3_STARTUP_WAIT_S": "60"}


@pytest.mark.parametrize("role", ["worker", "notifier"])
def test_a_role_waits_for_the_database_and_for_the_tables(
    role: str, away: tuple[Proxy, dict[str, str]], tmp_path: Path
) -> None:
    """It should start once, log what it waits for, and go on when the database and then the tables are there."""
    proxy, settings = away
    env = base_env(tmp_path) | settings
    started = Role(tmp_path, role, [role], env)
    try:
        wait_until(lambda: "waiting_at_start" in started.log.read_text(), 30, "it to say what it waits for")
        assert started.process.poll() is None
        proxy.heal()
        wait_until(lambda: "the database is empty" in started.log.read_text(), 30, "it to wait for the tables")
        assert started.process.poll() is None
        migrate(env)
        started.wait_for_output("ready")
    finally:
        started.stop()
    assert "Traceback" not in started.log.read_text()


def test_the_wait_has_an_end(away: tuple[Proxy, dict[str, str]], tmp_path: Path) -> None:
    """It should end with one sentence that names the setting."""
    _, settings = away
    role = Role(tmp_path, "worker", ["worker"], base_env(tmp_path) | settings | {"VIDEO2MP3_STARTUP_WAIT_S": "2"})
    assert role.process.wait(60) == 1
    assert "video2mp3: VIDEO2MP3_DATABASE_URL: " in role.log.read_text()


def test_an_api_starts_without_its_queue(mariadb: MariaDBServer, tmp_path: Path) -> None:
    """It should be ready, as it takes jobs without the queue, and print how the first administrator signs in.

    A worker should not start.
    """
    env = base_env(tmp_path) | {
        "VIDEO2MP3_DATABASE_URL": mariadb.new_database(),
        "VIDEO2MP3_QUEUE_URL": f"amqp://guest:guest@127.0.0.1:{free_port()}/",
    }
    migrate(env)
    api = Role(tmp_path, "api", ["api", "--port", "0"], env)
    worker = Role(tmp_path, "worker", ["worker"], env)
    try:
        url = api.wait_for_output(r"listens on (http://\S+)")[1]
        api.wait_for_output(rf"sign in as the administrator: {re.escape(url)}/sign-in\?token=\S+")
        ready = httpx.get(f"{url}/readyz", timeout=30)
        assert (ready.status_code, ready.json()["dependencies"]["queue"]) == (200, "unavailable")
        assert "started_without_queue" in api.log.read_text()
        assert worker.process.wait(60) == 1
    finally:
        api.stop()
        worker.stop()
