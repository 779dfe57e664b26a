"""HTTP/1.1 with limits on the head of a request and on how slowly a client reads: uvicorn has none.

Without them a client could fill the memory with one endless header, or occupy all descriptors with silent connections
or with responses that it never reads.
"""

import socket
import struct
import sys
from asyncio import BaseTransport, TimerHandle, Transport
from functools import partial
from typing import TYPE_CHECKING, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from video2mp3.api.server.connections import HEALTH_HEAD_TIMEOUT_S, Admission, Connections, HealthOnly
from video2mp3.api.server.peers import PEER, Peer
from video2mp3.api.server.response_end import ClosingTransport, delimit_by_close

if TYPE_CHECKING:
    from fastapi import FastAPI

log = structlog.get_logger()

MAX_HEAD_BYTES = 64 * 1024
"""Largest request line with all headers; the piece that exceeds the limit may add as much again."""
HEAD_TIMEOUT_S = 30.0
"""Longest time until the whole head has arrived."""
UNREAD_TIMEOUT_S = 60.0
"""Longest time in which a client reads no byte of a waiting response. As long as a body may pause: a client on a poor
connection reads something within that time, and can continue an aborted download with a range request.
"""
LINGER_S = 30.0
"""Longest time for which the rest of a body is discarded behind the response that refuses it. If a connection is closed
with bytes unread, the client gets a reset, which can take the response from it (RFC 9112, section 9.6).
"""
_LOOKS = 4
"""So often a connection is looked at in that time."""
_BYTES_ACKED_OFFSET = 120
"""Of `tcpi_bytes_acked` in `struct tcp_info` (https://github.com/torvalds/linux, include/uapi/linux/tcp.h)."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """One connection: `uvicorn.Config(http=BoundedHeadProtocol)`."""

    _in_head = False
    _head_bytes = 0
    _head_timer: TimerHandle | None = None
    _head_timeout_s: float | None = None
    _address: str | None = None
    _reader_timer: TimerHandle | None = None
    _linger_timer: TimerHandle | None = None
    _taken = 0
    _took_at_s = 0.0

    @property
    def _connections(self) -> Connections:
        connections = cast("FastAPI", self.config.app).state.connections
        assert isinstance(connections, Connections)
        return connections

    def connection_made(self, transport: BaseTransport) -> None:
        """Starts the timer for the head: a silent client counts as one whose head does not end."""
        super().connection_made(cast("Transport", transport))
        self._peer = Peer(self.client, self.server)
        self._descriptor: int = transport.get_extra_info("socket").fileno()
        self._address = self.client[0] if self.client else None
        admission = self._connections.add(self._descriptor, self._address)
        self._look_at_reader()
        if admission is Admission.NOTHING:
            self._answer(503, "Service Unavailable", "retry-after: 5\r\n")
            return
        if admission is Admission.HEALTH:
            self.app = HealthOnly(self.app)
            self._head_timeout_s = HEALTH_HEAD_TIMEOUT_S
        self._connections.begin_silence(self)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timers."""
        self._end_head()
        for timer in (self._reader_timer, self._linger_timer):
            if timer is not None:
                timer.cancel()
        self._connections.end_silence(self)
        self._connections.remove(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts the bytes of a head that has not ended."""
        if self._linger_timer is not None:
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "Request Header Fields Too Large")
        self._expect_next_request()

    def on_message_begin(self) -> None:
        """The first byte of a request has arrived."""
        self._begin_head()
        super().on_message_begin()
        self.scope["state"][PEER] = self._peer

    def on_headers_complete(self) -> None:
        """The head has arrived."""
        self._end_head()
        self._connections.end_silence(self)
        super().on_headers_complete()
        self.cycle.transport = ClosingTransport(self.transport, partial(self._close_behind, self.cycle))
        if self.scope["http_version"] == "1.0":
            delimit_by_close(self.cycle)

    def on_response_complete(self) -> None:
        """The response is written; unless a request waits already, the connection is silent again."""
        if not self.pipeline and not self.transport.is_closing():
            self._connections.begin_silence(self)
        super().on_response_complete()

    def end_silent(self) -> None:
        """Closes this silent connection in favor of a new one."""
        self.transport.close()

    def _close_behind(self, cycle: RequestResponseCycle) -> None:
        """Closes the connection behind a response; if its request still arrives, only for writing at first."""
        if not (cycle.response_complete and cycle.more_body):
            self.transport.close()
        elif self._linger_timer is None:
            self.transport.write_eof()
            self._linger_timer = self.loop.call_later(LINGER_S, self.transport.close)

    def _expect_next_request(self) -> None:
        """Limits the wait behind a refused body: uvicorn stops its timer when more of the body arrives."""
        is_idle = self.cycle is not None and self.cycle.response_complete and not self._in_head
        if is_idle and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            timer = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
            self.timeout_keep_alive_task = timer

    def _look_at_reader(self) -> None:
        taken, now_s = _bytes_taken(self._descriptor, self.transport), self.loop.time()
        if taken != self._taken or not self.transport.get_write_buffer_size():
            # An event stream that has nothing to send leaves nothing in the buffer.
            self._taken, self._took_at_s = taken, now_s
        elif now_s - self._took_at_s >= UNREAD_TIMEOUT_S:
            log.info("response_not_read", client=self._address)
            self.transport.abort()
            return
        self._reader_timer = self.loop.call_later(UNREAD_TIMEOUT_S / _LOOKS, self._look_at_reader)

    def _begin_head(self) -> None:
        self._end_head()
        self._in_head = True
        self._head_timer = self.loop.call_later(self._head_timeout_s or HEAD_TIMEOUT_S, self._on_timeout)

    def _end_head(self) -> None:
        self._in_head, self._head_bytes = False, 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_timeout(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # The request before this one is still being answered.
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._on_timeout)
        else:
            self._refuse(408, "Request Timeout")

    def _refuse(self, status: int, reason: str) -> None:
        log.info("request_head_refused", status=status, client=self.client[0] if self.client else None)
        self._answer(status, reason)

    def _answer(self, status: int, reason: str, headers: str = "") -> None:
        head = f"HTTP/1.1 {status} {reason}\r\n{headers}connection: close\r\ncontent-length: 0\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()


def _bytes_taken(descriptor: int, transport: Transport) -> int:
    """Returns a number that changes when the client takes bytes; elsewhere than on Linux, when many were taken.

    The buffer of the transport alone shrinks only when a third of the kernel's is free, which can be a megabyte.
    """
    if sys.platform != "linux":
        return -transport.get_write_buffer_size()
    # Only its number is lent: event loops hand out no whole socket.
    lent = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor)
    try:
        info = lent.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED_OFFSET + 8)
    finally:
        lent.detach()
    (acked,) = struct.unpack_from("=Q", info, _BYTES_ACKED_OFFSET)
    return int(acked)
