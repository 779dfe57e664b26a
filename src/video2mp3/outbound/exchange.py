"""Requests that download or upload a file."""

import http.client
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urljoin

from video2mp3 import __version__
from video2mp3.errors import Unreachable, UrlRejected
from video2mp3.outbound.connection import Clock, PinnedConnection
from video2mp3.outbound.guard import Guard
from video2mp3.outbound.urls import Target, parse

MAX_REDIRECTS = 5
SMALL_BODY_BYTES = 4096
"""Bytes of a response body that are read if the body is not a file."""
IDLE_S = 30.0
"""Longest time without a byte from or to the server."""
OWN_HEADERS = {"User-Agent": f"video2mp3/{__version__}"}
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Answer:
    """A response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    """The first 4 KiB at most."""


class Incoming:
    """A response whose body is read by the caller."""

    def __init__(self, response: http.client.HTTPResponse, target: Target) -> None:
        self.status = response.status
        self.headers = _headers(response)
        """Names in lower case."""
        self.target = target
        """The URL that answered, after redirects."""
        self._response = response
        self.size_bytes: int | None = response.length
        """Size of the body; None if the server does not declare it."""
        self._left_bytes = self.size_bytes

    def read(self, size_bytes: int) -> bytes:
        """Returns the next bytes, up to `size_bytes`; none at the end of the body.

        Raises:
            Unreachable: when the server aborts or is too slow.
            Canceled: when the work must stop.
        """
        if self._left_bytes is not None:
            size_bytes = min(size_bytes, self._left_bytes)
        if not size_bytes:
            return b""
        with unreachable(self.target):
            data = self._response.read1(size_bytes)
        if self._left_bytes is not None:
            # http.client does not report a body that is shorter than declared.
            if not data:
                raise Unreachable(f"{self.target.host} broke off.")
            self._left_bytes -= len(data)
        return data


@dataclass(frozen=True)
class ExchangeContext:
    """The guard, the time limits and the callbacks of a request."""

    guard: Guard
    timeout_s: float
    """Time until the response is read; 30 s without a byte end it earlier."""
    least_bytes_per_s: float = 0
    """Minimum throughput over 30 s; 0: no minimum."""
    should_stop: Callable[[], bool] = lambda: False
    """Called about once a second; True cancels the request."""
    on_moved: Callable[[int], None] = lambda _: None
    """Called with the number of bytes received or sent."""

    def clock(self) -> Clock:
        """Returns a clock that starts now."""
        return Clock(self.timeout_s, IDLE_S, self.should_stop, self.least_bytes_per_s, self.on_moved)


@contextmanager
def get(url: str, headers: Mapping[str, str], context: ExchangeContext) -> Iterator[Incoming]:
    """Requests a file, until the end of the block. Follows redirects, each of which is checked as the first URL was.

    Raises:
        UrlRejected: when the guard refuses the URL, or what it redirects to.
        Unreachable: when no answer comes, none in time, or one too slowly.
        Canceled: when the work has to stop.
    """
    clock = context.clock()
    for _ in range(MAX_REDIRECTS + 1):
        target = parse(url)
        with _exchange("GET", target, headers, None, context.guard, clock) as response:
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or location is None:
                yield Incoming(response, target)
                return
            url = _redirected(target, location)
    raise UrlRejected(f"The URL was redirected more than {MAX_REDIRECTS} times.")


def put(
    url: str, body: Iterable[bytes], size_bytes: int, headers: Mapping[str, str], context: ExchangeContext
) -> Answer:
    """Sends a file of that size, piece by piece; follows no redirects. Raises as `get`, and what `body` raises."""
    target = parse(url)
    length = {"Content-Length": str(size_bytes)}
    with (
        _exchange("PUT", target, {**headers, **length}, body, context.guard, context.clock()) as response,
        unreachable(target),
    ):
        return Answer(response.status, _headers(response), response.read(SMALL_BODY_BYTES))


def is_transient(status: int) -> bool:
    """Returns whether a repeated request may get another status."""
    return status >= 500 or status in (408, 421, 425, 429)


@contextmanager
def _exchange(
    method: str, target: Target, headers: Mapping[str, str], body: Iterable[bytes] | None, guard: Guard, clock: Clock
) -> Iterator[http.client.HTTPResponse]:
    connection = PinnedConnection(target, guard.addresses(target), clock)
    own = {**OWN_HEADERS, "Host": target.netloc, "Connection": "close"}
    try:
        with unreachable(target):
            # A server that refuses a file may answer and hang up before it has read all of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, target.path, body, {**own, **headers})
            response = connection.getresponse()
        yield response
    finally:
        connection.hang_up()


@contextmanager
def unreachable(target: Target) -> Iterator[None]:
    """Turns what goes wrong on the line into Unreachable."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise broken_off(target, error) from error


def broken_off(target: Target, error: Exception) -> Unreachable:
    """Returns the error of ours for one on the line. It has only the kind of that error.

    The text may hold addresses of ours, or whatever the server sent.
    """
    return Unreachable(f"{target.host} cannot be reached, or breaks off ({type(error).__name__}).")


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _redirected(target: Target, location: str) -> str:
    """Returns the URL that the header `Location` means. Raises UrlRejected when it is none."""
    # A header is read as Latin-1; those that are no ASCII mean UTF-8.
    decoded = location.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return urljoin(target.url, decoded)
    except ValueError:
        raise UrlRejected(f"{target.host} redirects to what is not a URL.") from None
