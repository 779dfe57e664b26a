"""HTTP/1.1 with bounds on the head of a request: uvicorn has none, neither of size nor of time.

Without them anyone could fill the memory with one endless header, or hold all descriptors with silent connections.
"""

import socket
from asyncio import BaseTransport, TimerHandle, Transport
from typing import TYPE_CHECKING, cast

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from video2mp3.api.frame.connections import HEALTH_HEAD_TIMEOUT_S, Admission, Connections, HealthOnly
from video2mp3.api.frame.peers import PEER, Peer

if TYPE_CHECKING:
    from fastapi import FastAPI

log = structlog.get_logger()

MAX_HEAD_BYTES = 64 * 1024
"""Largest request line with all headers; as much again may come with the piece that passes the bound."""
HEAD_TIMEOUT_S = 30.0
"""Longest time for them to come."""


class BoundedHeadProtocol(HttpToolsProtocol):
    """One connection: `uvicorn.Config(http=BoundedHeadProtocol)`."""

    _in_head = False
    _head_bytes = 0
    _head_timer: TimerHandle | None = None
    _head_timeout_s: float | None = None
    _address: str | None = None

    @property
    def _connections(self) -> Connections:
        connections = cast("FastAPI", self.config.app).state.connections
        assert isinstance(connections, Connections)
        return connections

    def connection_made(self, transport: BaseTransport) -> None:
        """A client that says nothing counts as one whose head does not end."""
        super().connection_made(cast("Transport", transport))
        self._peer = Peer(self.client, self.server)
        connected: socket.socket = transport.get_extra_info("socket")
        self._address = self.client[0] if self.client else None
        admission = self._connections.add(connected.fileno(), self._address)
        if admission is Admission.NOTHING:
            self._answer(503, "Service Unavailable", "retry-after: 5\r\n")
            return
        if admission is Admission.HEALTH:
            self.app = HealthOnly(self.app)
            self._head_timeout_s = HEALTH_HEAD_TIMEOUT_S
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timer."""
        self._end_head()
        self._connections.remove(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to a head that has not ended."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        self._begin_head()
        super().on_message_begin()
        self.scope["state"][PEER] = self._peer

    def on_headers_complete(self) -> None:
        """The head has come."""
        self._end_head()
        super().on_headers_complete()

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
