"""Limits open connections, so that the process always has file descriptors left: for health checks, and for the files,
databases and child processes that its work needs.

The kernel gives a new connection the lowest free descriptor, so its number shows how many are in use in all. Above the
limit, or above one client's share, further connections get responses to health checks only, and 503 to anything else.
Near the limit, each new connection ends one that has been silent for some seconds. If `accept` fails nevertheless,
libuv closes a descriptor that it holds in reserve, accepts and closes the waiting connections, and continues.
"""

import resource
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from video2mp3.accounts.throttling import network_of
from video2mp3.api.fairness.limit_log import record_refusal
from video2mp3.api.frame.problems import problem_response
from video2mp3.errors import Overloaded
from video2mp3.telemetry import metrics

HEALTH_HEAD_TIMEOUT_S = 2.0
"""Longest time for the head of a request on a connection that serves health checks only."""
SILENCE_S = 2.0
"""A connection without a whole request for this time is closed when others need its descriptor. Browsers connect ahead
of their requests, and reconnect when such a connection is closed.
"""

_MAX_RESERVE = 256
_HEALTH_PATHS = ("livez", "readyz")
_RETRY_AFTER_S = 5


class Admission(Enum):
    """What a new connection may be used for."""

    FULL = "full"
    HEALTH = "health"
    NOTHING = "nothing"


class Silent(Protocol):
    """A connection without a request in progress."""

    def end_silent(self) -> None:
        """Closes the connection; its descriptor is free soon after."""


class Connections:
    """The open connections of one application. Used from one event loop."""

    def __init__(
        self, proxies: tuple[IPv4Network | IPv6Network, ...] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`proxies` forward many clients' requests: their number of connections is not limited."""
        self._proxies = proxies
        self._clock = clock
        self._open: Counter[str] = Counter()
        # Since when each connection is silent; the longest first.
        self._silent: dict[Silent, float] = {}

    def add(self, descriptor: int, client: str | None) -> Admission:
        """Counts a new connection from that address and returns what it may be used for."""
        network = network_of(client)
        self._open[network] += 1
        metrics.HTTP_CONNECTIONS.inc()
        limit, reserve = descriptor_limit(), _reserve()
        if descriptor >= limit - limit // 8:
            self._end_longest_silent()
        if descriptor >= limit + reserve // 2:
            record_refusal("connections", client=client, descriptors=descriptor)
            return Admission.NOTHING
        if descriptor >= limit:
            record_refusal("connections", client=client, descriptors=descriptor)
            return Admission.HEALTH
        if self._open[network] > self._share(client, limit):
            record_refusal("connections_per_client", client=client, connections=self._open[network])
            return Admission.HEALTH
        return Admission.FULL

    def remove(self, client: str | None) -> None:
        """Counts the end of a connection."""
        network = network_of(client)
        self._open[network] -= 1
        if self._open[network] <= 0:
            del self._open[network]
        metrics.HTTP_CONNECTIONS.dec()

    def begin_silence(self, connection: Silent) -> None:
        """Records that a connection waits for its client's next request."""
        self._silent[connection] = self._clock()

    def end_silence(self, connection: Silent) -> None:
        """Records that a whole head, or the connection's end, has arrived."""
        self._silent.pop(connection, None)

    def _end_longest_silent(self) -> None:
        connection, since_s = next(iter(self._silent.items()), (None, 0.0))
        if connection is not None and self._clock() - since_s >= SILENCE_S:
            self.end_silence(connection)
            record_refusal("silent_connections")
            connection.end_silent()

    def _share(self, client: str | None, limit: int) -> int:
        """Returns how many connections may be open from that address."""
        try:
            address = ip_address(client or "")
        except ValueError:
            return limit // 4
        if any(address in proxies for proxies in self._proxies):
            return limit
        mapped = getattr(address, "ipv4_mapped", None)
        # A local proxy that the settings do not name forwards all its users' requests.
        return limit // (2 if (mapped or address).is_loopback else 4)


def descriptor_limit() -> int:
    """Returns how many descriptors may be in use before connections are refused."""
    return _soft_limit() - _reserve()


def _reserve() -> int:
    return min(_MAX_RESERVE, _soft_limit() // 4)


def _soft_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**30 if soft == resource.RLIM_INFINITY else soft


class HealthOnly:
    """Answers health checks, and 503 to anything else; then closes the connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""

        async def send_last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        served: Any = self._app if _is_health_check(scope) else _refuse
        await served(scope, receive, send_last)


def _is_health_check(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["path"].rpartition("/")[2] in _HEALTH_PATHS


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    error = Overloaded("Too many connections are open; try again in a few seconds.")
    error.retry_after_s = _RETRY_AFTER_S
    await problem_response(Request(scope), error)(scope, receive, send)
