"""Servers that never come to an end are given up, after little work; without the bounds they are not."""

import http.client
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.outbound.test_exchange import fetch, raw_server
from video2mp3.errors import Unreachable
from video2mp3.outbound import connection, response

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS: dict[str, tuple[bytes, bytes, str]] = {
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "TooManyInterimResponses"),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "TooManyInterimResponses"),
    "headers": (OK, b"X-A: " + b"a" * 4000 + b"\r\n", "TooLong"),
    "one header": (OK + b"X-A: ", b"a" * 4000, "TooLong"),
    "status line": (b"HTTP/1.1 200 ", b"a" * 4000, "TooLong"),
    "headers of interim responses": (b"", b"HTTP/1.1 100 Continue\r\nX: " + b"a" * 30_000 + b"\r\n\r\n", "TooLong"),
    "trailer": (CHUNKED + b"3\r\nabc\r\n0\r\n", b"X: a\r\n", "TooLong"),
    "chunk extension": (CHUNKED + b"3;", b"a" * 1000, "TooLong"),
    "chunks of one byte": (CHUNKED, b"1\r\na\r\n" * 1000, "TooSmallChunks"),
}
SENT_BYTES = 32 * 1024**2


class Server:
    """Sends a beginning, and then the same again and again, up to 32 MiB; counts what was taken of it."""

    def __init__(self, first: bytes, again: bytes) -> None:
        self._first, self._again = first, again
        self.sent_bytes = 0

    def talk(self, line: socket.socket) -> None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        line.sendall(self._first)
        for _ in itertools.takewhile(lambda _: self.sent_bytes < SENT_BYTES, itertools.count()):
            line.sendall(self._again)
            self.sent_bytes += len(self._again)


@contextmanager
def serving(first: bytes, again: bytes) -> Iterator[tuple[int, Server]]:
    server = Server(first, again)
    with raw_server(server.talk) as port:
        yield port, server


@pytest.mark.parametrize("what", ENDLESS)
def test_what_does_not_end_is_given_up(what: str) -> None:
    """It should say so, long before all of it has been read."""
    first, again, reason = ENDLESS[what]
    with serving(first, again) as (port, server), pytest.raises(Unreachable, match=reason):
        fetch(f"http://127.0.0.1:{port}/", port)
    assert server.sent_bytes < SENT_BYTES


@pytest.mark.parametrize("what", ["100 Continue", "trailer", "chunks of one byte"])
def test_without_the_bounds_it_is_read_as_long_as_it_comes(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the standard library reads all that is sent."""
    monkeypatch.setattr(connection.PinnedConnection, "response_class", http.client.HTTPResponse)
    monkeypatch.setattr(
        response.BoundedReader, "readline", lambda self, size=-1: super(type(self), self).readline(size)
    )
    monkeypatch.setattr("tests.outbound.test_bounded_responses.SENT_BYTES", 1024**2)
    first, again, _ = ENDLESS[what]
    with serving(first, again) as (port, server), suppress(Unreachable):
        fetch(f"http://127.0.0.1:{port}/", port)
    assert server.sent_bytes >= 1024**2


def test_interim_responses_before_an_answer_are_passed_over() -> None:
    """It should be so with eight of any kind, and one that is too many is one too many."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    answered = OK + b"Content-Length: 2\r\n\r\nok"
    both = hints * 4 + b"HTTP/1.1 100 Continue\r\n\r\n" * 4
    with raw_server(lambda line: line.sendall(both + answered)) as port:
        assert fetch(f"http://127.0.0.1:{port}/", port) == b"ok"
    with raw_server(lambda line: line.sendall(both + hints + answered)) as port, pytest.raises(Unreachable):
        fetch(f"http://127.0.0.1:{port}/", port)


def test_small_chunks_come_whole() -> None:
    """It should take a body in a few small chunks, and one in many that are not that small."""
    for size, count in ((1, 900), (100, 5000)):
        pieces: Iterable[bytes] = (b"%x\r\n%b\r\n" % (size, b"a" * size) for _ in range(count))
        body = CHUNKED + b"".join(pieces) + b"0\r\nX-Sum: 1\r\n\r\n"
        send: Callable[[socket.socket], object] = lambda line, body=body: line.sendall(body)  # type: ignore[misc]  # noqa: E731
        with raw_server(send) as port:
            assert fetch(f"http://127.0.0.1:{port}/", port) == b"a" * size * count


def test_a_head_that_comes_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should not take as long as the whole exchange may; a body may."""
    monkeypatch.setattr(connection, "HEAD_TIMEOUT_S", 0.5)
    ended = threading.Event()

    def drip(line: socket.socket) -> None:
        line.sendall(OK + b"X: ")
        while not ended.wait(0.02):
            line.sendall(b"x")

    with raw_server(drip) as port, pytest.raises(Unreachable, match="took too long"):
        fetch(f"http://127.0.0.1:{port}/", port, timeout_s=3600)
    ended.set()

    def slow_body(line: socket.socket) -> None:
        line.sendall(OK + b"Content-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)
            line.sendall(b"x")

    with raw_server(slow_body) as port:
        assert fetch(f"http://127.0.0.1:{port}/", port) == b"x" * 10
