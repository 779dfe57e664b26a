"""What a connection may do before it is a whole request."""

import socket
import time
from asyncio import BaseTransport
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import structlog
from structlog.typing import EventDict

from tests.api.conftest import SignedIn, serving
from tests.api.stored import NOTHING, convert, finish, stored
from tests.servers import wait_until
from video2mp3.api.frame.services import Services
from video2mp3.api.server import protocol
from video2mp3.api.server import request_context as middleware
from video2mp3.api.server.protocol import BoundedHeadProtocol


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        yield connection


def answer(connection: socket.socket) -> bytes:
    """All that the service sends until it closes the connection."""
    received = b""
    try:
        while piece := connection.recv(65_536):
            received += piece
    except ConnectionResetError:  # it had not read all when it closed
        pass
    return received


def send_endlessly(connection: socket.socket, begin: bytes, piece: bytes) -> int:
    """Sends until the service closes; returns how many bytes it took, of ten megabytes at most."""
    connection.sendall(begin)
    sent = 0
    try:
        while sent < 10_000_000:
            connection.sendall(piece)
            sent += len(piece)
    except OSError:
        pass
    return sent


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"GET /livez HTTP/1.1\r\n", b"X: y\r\n" * 1000),
        (b"GET /livez HTTP/1.1\r\nX: ", b"y" * 10_000),
        (b"GET /", b"a" * 10_000),
    ],
)
def test_a_head_without_an_end_is_cut_off(url: str, begin: bytes, piece: bytes) -> None:
    with connected(url) as connection:
        # More than the bound has room in the buffers of the connection.
        assert send_endlessly(connection, begin, piece) < 10_000_000
        assert answer(connection)[:12] in (b"HTTP/1.1 431", b"")


def test_large_heads_and_many_requests_on_one_connection_are_served(url: str) -> None:
    request = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 30_000 + b"\r\n\r\n"
    with connected(url) as connection:
        connection.sendall(request * 9 + request.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        assert answer(connection).count(b"HTTP/1.1 200") == 10


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nX"])
def test_a_connection_that_stays_silent_is_closed(url: str, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.5)
    with connected(url) as connection:
        connection.sendall(sent)
        assert answer(connection).startswith(b"HTTP/1.1 408")


def test_a_body_may_take_longer_than_a_head(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.2)
    with connected(url) as connection:
        connection.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{")
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.sendall(b"}")
        assert b" 422 " in answer(connection)[:20]


@pytest.mark.parametrize("last", ["HTTP/1.0\r\n", "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"], ids=["1.0", "1.1"])
def test_a_refusal_reaches_a_client_that_sends_its_whole_body_first(url: str, ada: SignedIn, last: str) -> None:
    """It should not be lost to a reset, which a connection that is closed with bytes unread sends."""
    head = f"POST /v1/uploads {last}Authorization: Bearer {ada.access_token}\r\nContent-Length: {2**40}\r\n\r\n"
    with connected(url) as connection:
        connection.sendall(head.encode())
        for _ in range(200):
            connection.sendall(bytes(100_000))
        received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b'"upload_too_large"' in received


def test_the_rest_of_a_refused_body_is_discarded_for_a_while(
    url: str, ada: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER_S", 0.2)
    with connected(url) as connection:

        def is_closed() -> bool:
            try:
                connection.sendall(b"more")
            except OSError:
                return True
            return False

        connection.sendall(head_of(ada, "POST", "/v1/uploads", 2**40))
        assert answer(connection).startswith(b"HTTP/1.1 413 ")
        wait_until(is_closed, 20, "the connection to be closed")


def test_a_client_that_stops_in_a_refused_body_is_given_up(
    url: str, ada: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = BoundedHeadProtocol.connection_made

    def keep_shortly(self: BoundedHeadProtocol, transport: BaseTransport) -> None:
        made(self, transport)
        self.timeout_keep_alive = 0.3  # type: ignore[assignment]

    monkeypatch.setattr(BoundedHeadProtocol, "connection_made", keep_shortly)
    with connected(url) as connection:
        connection.sendall(head_of(ada, "POST", "/v1/uploads", 2**40).replace(b"Connection: close\r\n", b""))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")
        connection.sendall(b"more")
        assert answer(connection) == b""


def test_http_1_0_has_no_chunks(url: str, ada: SignedIn, services: Services) -> None:
    """It should end the body of an unknown length with the connection, and name the length of another one."""
    job_id = convert(ada.http)
    finish(services, job_id, b"an MP3")
    for path, begin, end in (("events", b"id: finished-100\ndata: {", b"}\n\n"), ("mp3", b"an MP3", b"an MP3")):
        with connected(url) as connection:
            head = f"GET /v1/conversions/{job_id}/{path} HTTP/1.0\r\nAuthorization: Bearer {ada.access_token}\r\n\r\n"
            connection.sendall(head.encode())
            headers, _, body = answer(connection).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in headers.lower()
        assert body.startswith(begin)
        assert body.endswith(end)


def head_of(ada: SignedIn, method: str, path: str, size_bytes: int) -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.access_token}\r\n"
        f"Content-Length: {size_bytes}\r\nConnection: close\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/uploads"), ("PUT", "/v1/mp3"), ("POST", "/v1/sessions")])
def test_a_body_that_stops_in_the_middle_is_given_up(
    url: str, ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(middleware, "BODY_PAUSE_S", 0.5)
    with connected(url) as connection:
        connection.sendall(head_of(ada, method, path, 1000) + b"x" * 500)
        assert answer(connection).startswith(b"HTTP/1.1 400")
    assert stored(services) == NOTHING


def test_a_slow_body_is_stored_and_a_slow_answer_is_waited_for(
    url: str, ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "BODY_PAUSE_S", 2)
    with connected(url) as connection:
        connection.sendall(head_of(ada, "PUT", "/v1/mp3", 5))
        for _ in range(5):
            time.sleep(0.5)
            connection.sendall(b"x")
        time.sleep(2.5)
        [job] = ada.http.get("/v1/conversions").json()["items"]
        finish(services, job["id"], b"an MP3")
        assert answer(connection).endswith(b"\r\n\r\nan MP3")


def test_a_request_that_outlasts_the_shutdown_is_told_to_come_again(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        with serving(replace(services, trust_loopback=True)) as url:
            connection = stack.enter_context(connected(url))
            connection.sendall(b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
            connection.sendall(bytes(500_000))
            wait_until(lambda: stored(services)["uploads"], 10, "the upload to begin")
        assert answer(connection).startswith(b"HTTP/1.1 503")
    wait_until(lambda: stored(services) == NOTHING, 10, "the upload to be taken away")
    assert [record for record in caplog.records if record.exc_info] == []


@contextmanager
def asking_for(url: str, ada: SignedIn, path: str, *headers: str) -> Iterator[socket.socket]:
    """A connection with a small buffer that has asked for something."""
    parts = urlsplit(url)
    lines = (f"GET {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {ada.access_token}", *headers, "", "")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection.settimeout(20)
        connection.connect((parts.hostname, parts.port))
        connection.sendall("\r\n".join(lines).encode())
        yield connection


LARGE = bytes(12_000_000)
"""More than fits into the buffers of a connection."""


def not_read(logged: list[EventDict]) -> list[EventDict]:
    return [line for line in logged if line["event"] == "response_not_read"]


@pytest.mark.parametrize("timeout_s", [0.5, 60.0])
def test_a_response_of_which_nothing_is_taken_is_cut(
    url: str, ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch, timeout_s: float
) -> None:
    monkeypatch.setattr(protocol, "UNREAD_TIMEOUT_S", timeout_s)
    job_id = convert(ada.http)
    finish(services, job_id, LARGE)
    path = f"/v1/conversions/{job_id}/mp3"
    with structlog.testing.capture_logs() as logged, asking_for(url, ada, path, "Connection: close") as connection:
        if timeout_s < 1:
            wait_until(lambda: not_read(logged), 20, "the response to be cut")
            # What it sent is in the buffers of the system.
            assert 0 < len(answer(connection)) < len(LARGE)
        else:  # the control: nothing else ends it
            time.sleep(2)
            assert len(answer(connection)) > len(LARGE)


def test_the_rest_of_a_response_that_is_never_taken_holds_no_connection(
    url: str, ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For the service this one is complete: all of it is in its buffers.
    monkeypatch.setattr(protocol, "UNREAD_TIMEOUT_S", 0.5)
    monkeypatch.setattr(BoundedHeadProtocol, "connection_made", with_small_send_buffer)
    job_id = convert(ada.http)
    finish(services, job_id, bytes(60_000))
    path = f"/v1/conversions/{job_id}/mp3"
    with structlog.testing.capture_logs() as logged, asking_for(url, ada, path, "Connection: close"):
        wait_until(lambda: [line for line in logged if line.get("path") == path], 10, "the request to end")
        wait_until(lambda: not_read(logged), 20, "the response to be cut")


connection_made = BoundedHeadProtocol.connection_made


def with_small_send_buffer(self: BoundedHeadProtocol, transport: BaseTransport) -> None:
    own = socket.socket(fileno=transport.get_extra_info("socket").fileno())
    own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    own.detach()
    connection_made(self, transport)


def test_a_client_that_takes_a_little_now_and_then_is_not_cut(
    url: str, ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "UNREAD_TIMEOUT_S", 2.0)
    job_id = convert(ada.http)
    finish(services, job_id, LARGE)
    path = f"/v1/conversions/{job_id}/mp3"
    with structlog.testing.capture_logs() as logged, asking_for(url, ada, path, "Connection: close") as connection:
        taken = 0
        for _ in range(15):  # far less than makes the socket writable again
            time.sleep(0.3)
            taken += len(connection.recv(16_384))
        assert taken + len(answer(connection)) > len(LARGE)
    assert not_read(logged) == []


def test_an_event_stream_that_has_nothing_to_send_is_not_cut(
    url: str, ada: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "UNREAD_TIMEOUT_S", 0.2)
    job_id = convert(ada.http)
    with asking_for(url, ada, f"/v1/conversions/{job_id}/events") as connection:
        received = connection.recv(65_536)
        time.sleep(1.5)
        ada.http.delete(f"/v1/conversions/{job_id}").raise_for_status()
        while b"canceled" not in received:
            piece = connection.recv(65_536)
            assert piece, received
            received += piece
