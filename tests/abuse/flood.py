"""Many requests of one user at the same time, and how another user fares meanwhile."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
from starlette.concurrency import run_in_threadpool

from tests.servers import wait_until
from video2mp3.api.fairness import fair_threads, places
from video2mp3.api.fairness.fair_executor import FairExecutor

STALL_S = 3.0
"""Longer than any request takes that waits for nobody, also on a busy machine."""


class Flood:
    """Connections that have each sent one request and read nothing yet."""

    def __init__(self, connections: list[socket.socket]) -> None:
        self._connections = connections

    def statuses(self, timeout_s: float) -> list[int]:
        """Waits for all answers and returns their statuses."""
        return [int(head.split()[1]) for head in self.heads(timeout_s)]

    def heads(self, timeout_s: float) -> list[str]:
        """Waits for all answers and returns their status lines and headers."""
        deadline_s = time.monotonic() + timeout_s
        return [_head(connection, deadline_s) for connection in self._connections]


def _head(connection: socket.socket, deadline_s: float) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        connection.settimeout(max(0.1, deadline_s - time.monotonic()))
        piece = connection.recv(65536)
        assert piece, f"The connection ended after {data!r}"
        data += piece
    return data.partition(b"\r\n\r\n")[0].decode()


@contextmanager
def flood(user: httpx.Client, method: str, path: str, bodies: Sequence[bytes]) -> Iterator[Flood]:
    """Sends a request of the user with each of the bodies, each on a connection of its own."""
    address = urlsplit(str(user.base_url))
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {user.headers['authorization']}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    )
    with ExitStack() as stack:
        connections = []
        for body in bodies:
            connection = socket.create_connection((address.hostname or "", address.port or 0), 20)
            connections.append(stack.enter_context(connection))
            connection.sendall(head.encode() + b"%d\r\n\r\n" % len(body) + body)
        yield Flood(connections)


def seconds_for_me(user: httpx.Client) -> float:
    """How long /v1/me takes; STALL_S where it takes longer than that."""
    started_s = time.monotonic()
    try:
        user.get("/v1/me", timeout=STALL_S).raise_for_status()
    except httpx.ReadTimeout:
        return STALL_S
    return time.monotonic() - started_s


def worst_for_me(user: httpx.Client) -> float:
    """The longest that /v1/me takes in two seconds of asking."""
    deadline_s, worst_s = time.monotonic() + 2, 0.0
    while time.monotonic() < deadline_s:
        worst_s = max(worst_s, seconds_for_me(user))
        time.sleep(0.05)
    return worst_s


def wait_for_stall(user: httpx.Client) -> None:
    """Asks for /v1/me until that takes STALL_S; fails where it never does."""
    wait_until(lambda: seconds_for_me(user) == STALL_S, 30, "a request of another user to be held up")


def run_in_shared_pool() -> None:
    """Takes the executors out, and the shares of callers: a request waits in a thread of the pool that answers all
    requests, first come, first served.
    """
    fair_threads.install = lambda: None
    places.PLACES_PER_CALLER = places.PLACES
    room = threading.BoundedSemaphore(2)

    async def run(_self: object, _request: object, _user_id: str, work: Callable[[], object], **_: object) -> object:
        def wait_and_work() -> object:
            with room:
                return work()

        return await run_in_threadpool(wait_and_work)

    FairExecutor.run = run  # type: ignore[method-assign, assignment]
