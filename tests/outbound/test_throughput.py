"""Servers that are too slow are given up; what makes us slow does not count against them."""

import threading
import time
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network

import pytest

from tests.outbound.listeners import answer, web_server
from video2mp3.errors import Unreachable
from video2mp3.outbound import ExchangeContext, Guard, connection, get, put

LEAST = 16 * 1024
LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture(autouse=True)
def _short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "THROUGHPUT_WINDOW_S", 0.5)


def read(port: int, pause_s: float = 0.0) -> bytes:
    guard = Guard(LOOPBACK, frozenset({port}))
    data = b""
    with get(f"http://127.0.0.1:{port}/", {}, ExchangeContext(guard, 30, least_bytes_per_s=LEAST)) as incoming:
        while piece := incoming.read(65536):
            data += piece
            time.sleep(pause_s)
    return data


@pytest.mark.parametrize("what", ["body", "head"])
def test_a_server_that_drips_is_given_up(what: str) -> None:
    ended = threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if what == "body":
            handler.send_response(200)
            handler.send_header("Content-Length", "1000000")
            handler.end_headers()
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not ended.wait(0.02):
            handler.wfile.write(b"x")

    with web_server(respond) as port:
        with pytest.raises(Unreachable, match="sends too slowly: less than 16 KiB/s"):
            read(port)
        ended.set()


def test_a_server_that_thinks_first_and_a_reader_that_pauses_are_not_too_slow() -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(1.0)
        answer(handler, 200, bytes(8 * 65536))

    with web_server(respond) as port:
        assert read(port, pause_s=0.3) == bytes(8 * 65536)


def test_a_receiver_that_takes_next_to_nothing_is_given_up() -> None:
    ended = threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        while not ended.wait(0.05):
            handler.rfile.read(1)

    with web_server(respond) as port:
        guard = Guard(LOOPBACK, frozenset({port}))
        size_bytes = 64 * 1024**2
        body = iter(lambda: bytes(65536), b"")
        with pytest.raises(Unreachable, match=r"takes (too slowly|nothing)"):
            put(f"http://127.0.0.1:{port}/", body, size_bytes, {}, ExchangeContext(guard, 30, least_bytes_per_s=LEAST))
        ended.set()


def test_a_receiver_gets_all_pieces() -> None:
    received = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        received.append(handler.rfile.read(int(handler.headers["Content-Length"])))
        answer(handler, 200)

    with web_server(respond) as port:
        guard = Guard(LOOPBACK, frozenset({port}))
        content = bytes(range(256)) * 4096
        pieces = [content[start : start + 70_000] for start in range(0, len(content), 70_000)]
        put(f"http://127.0.0.1:{port}/", pieces, len(content), {}, ExchangeContext(guard, 30, least_bytes_per_s=LEAST))
    assert received == [content]
