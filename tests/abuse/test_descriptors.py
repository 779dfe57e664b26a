"""Silent connections from a few addresses that hold all descriptors: a request of another should be answered."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx

from tests.abuse.conftest import StartService
from tests.abuse.test_event_streams import limit_descriptors
from tests.acceptance.service import Service
from tests.servers import wait_until
from video2mp3.api.server.connections import SILENCE_S, Connections

CLIENTS = 6
CONNECTIONS = 40
"""Of each client: less than its share of 256 descriptors, and all together more than there are."""


def without_an_end_of_silence() -> None:
    """Silent connections stay until their heads are overdue."""
    Connections._end_longest_silent = lambda self: None  # type: ignore[method-assign]


@contextmanager
def silent_clients(service: Service) -> Iterator[None]:
    """Connections from several addresses that say nothing."""
    address = urlsplit(service.url)
    with ExitStack() as stack:
        for number in range(CLIENTS):
            for _ in range(CONNECTIONS):
                source = (f"127.0.1.{number + 1}", 0)
                place = (address.hostname or "", address.port or 0)
                stack.enter_context(socket.create_connection(place, 20, source_address=source))
        yield


def status(service: Service) -> int:
    """What a new connection is told."""
    return httpx.get(f"{service.url}/v1/me", timeout=10).status_code


def test_a_request_is_answered_in_place_of_a_silent_connection(start_service: StartService) -> None:
    with start_service() as service:
        limit_descriptors(service)
        with silent_clients(service):
            # The last of the connections become silent later than the first.
            wait_until(lambda: 503 not in {status(service) for _ in range(10)}, 20, "all requests to be answered")
        assert '"silent_connections"' in service.logs()


def test_without_an_end_of_silence_everybody_is_refused(start_service: StartService) -> None:
    with start_service(without_an_end_of_silence) as service:
        limit_descriptors(service)
        with silent_clients(service):
            time.sleep(2 * SILENCE_S)
            assert {status(service) for _ in range(10)} == {503}
