"""Connections to checked addresses, with time limits that a slow server cannot extend."""

import asyncio
import http.client
import io
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

from video2mp3.errors import Canceled, Unreachable
from video2mp3.outbound.addresses import Address
from video2mp3.outbound.response import BoundedReader, BoundedResponse
from video2mp3.outbound.urls import Target

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_CONNECT_S = 10.0
HEAD_TIMEOUT_S = 60.0
"""Time from the request to the end of the response's head; the idle limit ends it earlier."""
THROUGHPUT_WINDOW_S = 30.0
"""Waiting time over which a server's throughput is measured."""
# Interval for calling `should_stop` while no data arrives.
_TICK_S = 1.0


class Clock:
    """The limits of one exchange: total time, idle time and minimum throughput."""

    def __init__(
        self,
        total_s: float,
        idle_s: float,
        should_stop: Callable[[], bool] = lambda: False,
        least_bytes_per_s: float = 0,
        on_moved: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Starts the clock; calls `on_moved` with the number of bytes received or sent."""
        self._end_s = time.monotonic() + total_s
        self._phase_end_s = math.inf
        self._idle_s = idle_s
        self._should_stop = should_stop
        self._on_moved = on_moved
        self._receiving = _Meter("sends", least_bytes_per_s)
        self._sending = _Meter("takes", least_bytes_per_s)

    @contextmanager
    def within(self, phase_s: float) -> Iterator[None]:
        """Limits the block to `phase_s` seconds, in addition to the total time."""
        self._phase_end_s = time.monotonic() + phase_s
        try:
            yield
        finally:
            self._phase_end_s = math.inf

    def left_s(self, at_most_s: float) -> float:
        """Returns the seconds that are left, up to `at_most_s`.

        Raises:
            Unreachable: when the time is over.
            Canceled: when `should_stop` returned True.
        """
        if self._should_stop():
            raise Canceled
        left_s = min(self._end_s, self._phase_end_s) - time.monotonic()
        if left_s <= 0:
            raise Unreachable("The other server took too long.")
        return min(left_s, at_most_s)

    def receive(self, sock: socket.socket, buffer: "WriteableBuffer") -> int:
        """Receives some bytes; returns their number, 0 at the end. Raises Unreachable, Canceled, OSError."""
        return self._moved(sock, lambda: sock.recv_into(buffer), self._receiving)

    def send(self, sock: socket.socket, data: "ReadableBuffer") -> None:
        """Sends all bytes. Raises Unreachable, Canceled, OSError."""
        left = memoryview(data).cast("B")
        while left:
            # After a timeout, TLS needs the same bytes again.
            left = left[self._moved(sock, partial(sock.send, left), self._sending) :]

    def _moved(self, sock: socket.socket, move: Callable[[], int], meter: "_Meter") -> int:
        """Moves bytes with time limits; returns their number."""
        idle_end_s = time.monotonic() + self._idle_s
        while True:
            sock.settimeout(self.left_s(_TICK_S))
            began_s = time.monotonic()
            try:
                size_bytes = move()
            except TimeoutError:
                meter.count(time.monotonic() - began_s, 0)
                if time.monotonic() > idle_end_s:
                    raise Unreachable(f"The other server {meter.what} nothing for {self._idle_s:g} seconds.") from None
            else:
                self._on_moved(size_bytes)
                meter.count(time.monotonic() - began_s, size_bytes)
                return size_bytes


class _Meter:
    """Detects a slow server. It counts only time spent waiting for the server, after the first byte."""

    def __init__(self, what: str, least_bytes_per_s: float) -> None:
        self.what = what
        """The server's action for the error message: `sends` or `takes`."""
        self._least_bytes_per_s = least_bytes_per_s
        self._has_begun = False
        self._waited_s = 0.0
        self._moved_bytes = 0

    def count(self, waited_s: float, size_bytes: int) -> None:
        """Adds bytes that were moved in `waited_s` seconds. Raises Unreachable if the server is too slow."""
        self._waited_s += waited_s if self._has_begun else 0.0
        self._moved_bytes += size_bytes
        self._has_begun = self._has_begun or size_bytes > 0
        if self._waited_s < THROUGHPUT_WINDOW_S:
            return
        if self._moved_bytes < self._least_bytes_per_s * self._waited_s:
            least = f"{self._least_bytes_per_s / 1024:g} KiB/s over {THROUGHPUT_WINDOW_S:g} s"
            raise Unreachable(f"The other server {self.what} too slowly: less than {least}.")
        self._waited_s, self._moved_bytes = 0.0, 0


class PinnedConnection(http.client.HTTPConnection):
    """A connection for requests to `target`, only to the given addresses.

    `http.client` uses no proxies. TLS certificates are verified for the host in the URL.
    """

    response_class = BoundedResponse

    def __init__(self, target: Target, addresses: Sequence[Address], clock: Clock) -> None:
        super().__init__(target.host, target.port, blocksize=65536)
        self._target = target
        self._addresses = addresses
        self._clock = clock
        self._raw: socket.socket | None = None

    def connect(self) -> None:
        """Connects to the first address that answers. Raises OSError, Unreachable, Canceled."""
        self.hang_up()  # closes the previous connection
        self._raw = _dial_any(self._addresses, self._target.port, self._clock)
        if self._target.scheme == "https":
            self._raw.settimeout(self._clock.left_s(_CONNECT_S))
            self._raw = tls_context().wrap_socket(self._raw, server_hostname=self._target.host)
        self.sock = cast(socket.socket, _TimedSocket(self._raw, self._clock))

    def getresponse(self) -> http.client.HTTPResponse:
        """Reads the head of the response. Raises HTTPException, OSError, Unreachable, Canceled."""
        with self._clock.within(HEAD_TIMEOUT_S):
            return super().getresponse()

    def hang_up(self) -> None:
        """Closes the connection, even if unread data remains."""
        if self._raw is not None:
            self._raw.close()


def dial(address: Address, port: int, timeout_s: float) -> socket.socket:
    """Opens a TCP connection. Raises OSError."""
    return socket.create_connection((str(address), port), timeout_s)


def tls_context() -> ssl.SSLContext:
    """Returns a context that verifies certificates and host names; loads the trusted certificates."""
    return ssl.create_default_context()


async def open_stream(
    target: Target, addresses: Sequence[Address], tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to the first address that answers; verifies TLS for the host in the URL. Raises OSError."""
    failure = OSError("no address")
    for address in addresses:
        try:
            async with asyncio.timeout(_CONNECT_S):
                return await dial_stream(address, target.port, tls, target.host if tls else None)
        except OSError as error:
            failure = error
    raise failure


async def dial_stream(
    address: Address, port: int, tls: ssl.SSLContext | None, server_hostname: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Opens a TCP connection on an event loop, with TLS if a context is given. Raises OSError."""
    return await asyncio.open_connection(str(address), port, ssl=tls, server_hostname=server_hostname)


def _dial_any(addresses: Sequence[Address], port: int, clock: Clock) -> socket.socket:
    failure = OSError("no address")
    for address in addresses:
        try:
            return dial(address, port, clock.left_s(_CONNECT_S))
        except OSError as error:
            failure = error
    raise failure


class _TimedSocket:
    """The part of the socket interface that `http.client` uses."""

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return BoundedReader(_Received(self._sock, self._clock), 65536)

    def sendall(self, data: "ReadableBuffer") -> None:
        self._clock.send(self._sock, data)

    def close(self) -> None:
        pass  # http.client closes before the response is read; see `hang_up`


class _Received(io.RawIOBase):
    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock = sock
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        return self._clock.receive(self._sock, buffer)
