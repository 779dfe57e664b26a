"""Idle connections between a proxy and the service: the proxy has to close them first."""

import math
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import embedded
from tests.proxies.conftest import Places
from tests.proxies.lines import PROGRAMS, proxy, section
from tests.proxies.relay import Relay
from tests.servers import SMTPServer, wait_until
from video2mp3.settings import Settings

REQUESTS = int(os.environ.get("TESTS_KEEP_ALIVE", "0"))
INTERVAL_S = 5.0
# Requests at the same time: each needs a connection to the service, and all of these are idle for the interval.
AT_ONCE = 6
# Longer than uvicorn keeps connections by default (5 s), so that a service without the setting fails.
IDLE = {
    "nginx": ("keepalive 32;", "keepalive 32; keepalive_timeout 6s;"),
    "Caddy": ("127.0.0.1:8000", "127.0.0.1:8000 {\n\t\t\ttransport http {\n\t\t\t\tkeepalive 6s\n\t\t\t}\n\t\t}"),
}
UNCHANGED = dict.fromkeys(PROGRAMS, ("", ""))


def post(client: httpx.Client) -> int:
    """The status of a request that no proxy sends twice; the service answers 422."""
    return client.post("v1/sessions", json={}).status_code


@contextmanager
def proxied(folder: Path, port: int, changes: dict[str, tuple[str, str]]) -> Iterator[list[tuple[httpx.Client, Relay]]]:
    """A client of each proxy, whose lines are changed, and the network behind the proxy."""
    with ExitStack() as stack:
        found = []
        for program in PROGRAMS:
            relay = Relay(port)
            stack.callback(relay.close)
            server = stack.enter_context(proxy(program, folder, relay.port, changes=[changes[program]]))
            found.append((stack.enter_context(server.client("/mp3/")), relay))
        yield found


def second_statuses(found: list[tuple[httpx.Client, Relay]]) -> list[tuple[str, int]]:
    """Who has closed each proxy's connection after a request, and the status of the next request."""
    for client, _ in found:
        assert post(client) == 422
    for _, relay in found:
        wait_until(partial(bool, relay.closed_by), 30, "an end to close the idle connection")
    return [(relay.closed_by[0], post(client)) for client, relay in found]


def test_a_proxy_closes_idle_connections_first(places: Places, tmp_path: Path) -> None:
    port = int(places.service().url.rpartition(":")[2])
    with proxied(tmp_path, port, IDLE) as found:
        assert second_statuses(found) == [("proxy", 422)] * len(PROGRAMS)


def test_without_that_the_next_request_is_lost(tmp_path: Path, smtp: SMTPServer) -> None:
    env = {"VIDEO2MP3_PUBLIC_URL": "https://example.org/mp3", "VIDEO2MP3_KEEP_ALIVE_S": "1"}
    with embedded(tmp_path, smtp, env) as service:
        folder = tmp_path / "proxies"
        folder.mkdir()
        with proxied(folder, int(service.url.rpartition(":")[2]), UNCHANGED) as found:
            assert second_statuses(found) == [("service", 502)] * len(PROGRAMS)


def test_the_default_is_longer_than_what_proxies_have_by_default() -> None:
    table = section("Connections that stay open")
    times_s = {name: int(time_s) for name, time_s in re.findall(r"^\| ([\w -]+) \| (\d+) s \|$", table, re.MULTILINE)}
    assert set(PROGRAMS) < set(times_s)
    default_s = Settings.model_fields["keep_alive_s"].default
    assert default_s > max(times_s.values()) + 30
    assert f"`VIDEO2MP3_KEEP_ALIVE_S` ({default_s} by default)" in table


@pytest.mark.skipif(not REQUESTS, reason="It takes nine minutes (make keep-alive).")
@pytest.mark.timeout(REQUESTS * INTERVAL_S + 600)
def test_requests_at_long_intervals_are_all_answered(places: Places) -> None:
    """It should answer each, of as many as TESTS_KEEP_ALIVE says, on connections that were idle for five seconds."""
    with ExitStack() as stack:
        servers = [places.proxy(program) for program in PROGRAMS]
        clients = [stack.enter_context(server.client("/mp3/")) for server in servers for _ in range(AT_ONCE)]
        pool = stack.enter_context(ThreadPoolExecutor(len(clients)))
        for _ in range(math.ceil(REQUESTS / AT_ONCE)):
            assert list(pool.map(post, clients)) == [422] * len(clients)
            time.sleep(INTERVAL_S)
