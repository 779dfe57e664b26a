"""The proxy itself: what it does to a connection."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.chaos.proxy import Proxy, ProxyNetwork


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_quietly, args=(answer, connection), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def _quietly(answer: object, connection: socket.socket) -> None:
    assert callable(answer)
    try:
        answer(connection)
    except OSError:
        return


@pytest.fixture
def proxy(echo_port: int) -> Iterator[Proxy]:
    network = ProxyNetwork()
    yield network.proxy(echo_port)
    network.close()


def connect(proxy: Proxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    connection.sendall(b"hello")
    assert connection.recv(100) == b"hello"
    return connection


def is_silent(connection: socket.socket) -> bool:
    connection.settimeout(0.3)
    try:
        return connection.recv(100) == b"never"
    except TimeoutError:
        return True
    finally:
        connection.settimeout(10)


def is_lost(connection: socket.socket) -> bool:
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def test_it_cuts_connections_and_takes_new_ones(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.cut()
        assert is_lost(connection)
    connect(proxy).close()


def test_it_refuses_until_healed(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.refuse()
        assert is_lost(connection)
        with pytest.raises(ConnectionError):
            connect(proxy)
        proxy.heal()
    connect(proxy).close()


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_a_black_hole_gives_back_what_it_took_when_healed(proxy: Proxy, direction: str) -> None:
    with connect(proxy) as connection:
        proxy.black_hole(direction)  # type: ignore[arg-type]
        connection.sendall(b"lost?")
        assert is_silent(connection)
        proxy.heal()
        assert connection.recv(100) == b"lost?"


def test_it_delays_and_throttles(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        proxy.delay(0.2)
        proxy.throttle(1000, "to_client")
        started_s = time.monotonic()
        connection.sendall(bytes(300))
        received = 0
        while received < 300:
            received += len(connection.recv(300))
        assert time.monotonic() - started_s >= 0.5


def test_it_fails_requests_and_passes_on_what_is_none(proxy: Proxy) -> None:
    proxy.fail_requests(1.0, "error")
    with connect(proxy) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 500 ")
    proxy.fail_requests(1.0, "cut")
    with connect(proxy) as connection:
        connection.sendall(b"PUT / HTTP/1.1\r\n\r\n")
        assert is_lost(connection)
    assert proxy.faults == 2
