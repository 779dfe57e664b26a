"""A server that a user names says `100 Continue` for ever: the fetch ends at once, and nobody waits for it."""

import http.client
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from tests.abuse.conftest import StartService
from tests.acceptance.service import wait_for_end
from tests.servers import wait_until
from tests.worker.system import make_wav
from video2mp3.outbound.connection import PinnedConnection
from video2mp3.outbound.response import BoundedReader

_PIECE = b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
MUCH_BYTES = 16 * 1024**2
"""More than what the buffers of a connection hold."""


class EndlessServer:
    """Answers each request with interim responses, as long as somebody reads them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.most_bytes = 0
        """Of those that one connection has taken."""
        self.given_up = 0
        """Connections that were closed from the other side."""

    def serve(self) -> None:
        with suppress(OSError):
            while not self._ended.is_set():
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _talk(self, connection: socket.socket) -> None:
        sent_bytes = 0
        with connection:
            try:
                connection.recv(65536)
                while not self._ended.is_set():
                    connection.sendall(_PIECE)
                    sent_bytes += len(_PIECE)
                    self.most_bytes = max(self.most_bytes, sent_bytes)
            except OSError:
                self.given_up += 1


@contextmanager
def endless_server() -> Iterator[EndlessServer]:
    server = EndlessServer()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def without_bounds() -> None:
    """Reads heads as the standard library does."""
    PinnedConnection.response_class = http.client.HTTPResponse  # type: ignore[assignment]
    BoundedReader.readline = io.BufferedReader.readline  # type: ignore[method-assign]


def allowing(server: EndlessServer) -> dict[str, object]:
    return {"allowed_networks": "127.0.0.1/32", "allowed_ports": server.port, "worker_slots": 1}


def order(user: httpx.Client, port: int) -> None:
    user.post("/v1/conversions", json={"source": {"url": f"http://127.0.0.1:{port}/talk.mp4"}}).raise_for_status()


def test_endless_interim_responses_end_the_fetch(start_service: StartService) -> None:
    """It should read next to nothing; without the bounds it reads as long as something comes."""
    with endless_server() as server, start_service(**allowing(server)) as service:
        with service.user() as user, service.user() as other:
            order(user, server.port)
            wait_until(lambda: server.given_up, 30, "the fetch to be given up")
            converted = other.post("/v1/conversions", files={"file": ("talk.wav", make_wav(2))}).json()
            assert wait_for_end(other, converted["id"])["state"] == "finished"
        assert server.most_bytes < MUCH_BYTES
    with endless_server() as server, start_service(without_bounds, **allowing(server)) as service:
        with service.user() as user:
            order(user, server.port)
            wait_until(lambda: server.most_bytes > MUCH_BYTES, 30, "more and more to be read")
        assert server.given_up == 0
