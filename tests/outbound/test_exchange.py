"""Requests to others' servers: what they may do to us, and what we send them."""

import asyncio
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.outbound.listeners import answer, web_server
from video2mp3.errors import Canceled, Unreachable, UrlRejected
from video2mp3.outbound import Answer, ExchangeContext, Guard, get, parse, put, redacted
from video2mp3.outbound import post as posted

LOOPBACK = (ip_network("127.0.0.1/32"),)


def guard_for(*ports: int) -> Guard:
    return Guard(LOOPBACK, frozenset(ports), lambda _host: ["127.0.0.1"])


def fetch(url: str, port: int, timeout_s: float = 20, should_stop: Callable[[], bool] = lambda: False) -> bytes:
    with get(url, {}, ExchangeContext(guard_for(port), timeout_s, should_stop=should_stop)) as incoming:
        pieces = iter(lambda: incoming.read(65536), b"")
        return b"".join(pieces)


def post(url: str, body: bytes, headers: dict[str, str], *, guard: Guard, timeout_s: float = 20) -> Answer:
    """Posts on an event loop that is there for that only."""
    with ThreadPoolExecutor(1) as resolver:
        sent = posted(url, body, headers, guard=guard, timeout_s=timeout_s, resolver=resolver)
        return asyncio.run(sent)


@contextmanager
def raw_server(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """A server that lets `talk` do what it wants with each connection, after the request was read."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)

        def run() -> None:
            while not ended.is_set():
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    continue
                with connection, suppress(OSError):
                    connection.settimeout(20)
                    connection.recv(65536)
                    talk(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def fetch_in_half_a_second(url: str, port: int) -> None:
    fetch(url, port, timeout_s=0.5)


def post_in_half_a_second(url: str, port: int) -> None:
    post(url, b"{}", {}, guard=guard_for(port), timeout_s=0.5)


def saying(text: bytes) -> AbstractContextManager[int]:
    return raw_server(lambda connection: connection.sendall(text))


def drip(connection: socket.socket, data: bytes = b"x") -> None:
    """A byte every little while, for ever: no single read times out."""
    while True:
        connection.sendall(data)
        time.sleep(0.05)


def test_a_file_comes_whole_through_a_redirect() -> None:
    """It should send the whole path and query, and follow a relative address."""
    asked = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.path, handler.headers["Host"], handler.headers["Accept-Encoding"]))
        if handler.path.startswith("/old"):
            answer(handler, 302, Location="/new/vidéo.mp4?sig=a%2Fb".encode().decode("latin-1"))
        else:
            answer(handler, 200, b"x" * 100_000)

    with web_server(respond) as port:
        assert fetch(f"http://media.example:{port}/old?sig=a%2Fb&x=y#t=1", port) == b"x" * 100_000
        host = f"media.example:{port}"
        assert asked == [
            ("/old?sig=a%2Fb&x=y", host, "identity"),
            ("/new/vid%C3%A9o.mp4?sig=a%2Fb", host, "identity"),
        ]


def test_redirects_end() -> None:
    again = web_server(lambda handler: answer(handler, 302, Location="/again"))
    with again as port, pytest.raises(UrlRejected, match="more than 5 times"):
        fetch(f"http://media.example:{port}/", port)


@pytest.mark.parametrize(
    "location",
    [
        "http://[",
        "http://[v1.x]/",
        "//[::1",
        "http://a:99999/",
        "http://a:b/",
        "http://" + "a" * 70 + "/",
        "http://\xff\xfe/",
    ],
)
def test_a_redirect_to_what_is_not_a_url_is_refused(location: str) -> None:
    with (
        web_server(lambda handler: answer(handler, 302, Location=location)) as port,
        pytest.raises(UrlRejected),
    ):
        fetch(f"http://media.example:{port}/", port)


def test_a_server_that_breaks_off_is_noticed() -> None:
    """It should not take a part for the whole, with a length and with chunks; the whole is taken."""
    head = b"HTTP/1.1 200 OK\r\n"
    part = head + b"Content-Length: 10\r\n\r\n12345"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"
    for text in (part, chunked, b"", b"HTTP/1.1 x\r\n\r\n", b"no such thing\r\n\r\n"):
        with saying(text) as port, pytest.raises(Unreachable):
            fetch(f"http://127.0.0.1:{port}/", port)
        with saying(text) as port, pytest.raises(Unreachable):
            post(f"http://127.0.0.1:{port}/", b"{}", {}, guard=guard_for(port))
    for text, whole in ((part + b"67890", b"1234567890"), (chunked + b"0\r\n\r\n", b"12345")):
        with saying(text) as port:
            assert fetch(f"http://127.0.0.1:{port}/", port) == whole
        with saying(text) as port:
            assert post(f"http://127.0.0.1:{port}/", b"{}", {}, guard=guard_for(port)).body == whole


@pytest.mark.parametrize("where", ["status", "headers", "body"])
@pytest.mark.parametrize("ask", [fetch_in_half_a_second, post_in_half_a_second])
def test_the_time_is_over_however_slowly_a_server_drips(where: str, ask: Callable[[str, int], object]) -> None:
    beginnings = {
        "status": (b"", b"H"),
        "headers": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n", b"x"),
    }
    first, then = beginnings[where]

    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        drip(connection, then)

    with raw_server(talk) as port:
        started_s = time.monotonic()
        with pytest.raises(Unreachable, match="took too long"):
            ask(f"http://127.0.0.1:{port}/", port)
        assert time.monotonic() - started_s < 10


def test_a_server_that_only_says_continue_is_given_up_at_once() -> None:
    def talk(connection: socket.socket) -> None:
        drip(connection, b"HTTP/1.1 100 Continue\r\n\r\n")

    with raw_server(talk) as port, pytest.raises(Unreachable, match="RemoteProtocolError"):
        post(f"http://127.0.0.1:{port}/", b"{}", {}, guard=guard_for(port), timeout_s=60)


def test_waiting_ends_when_the_work_has_to_stop() -> None:
    with raw_server(lambda connection: connection.recv(1)) as port:
        started_s = time.monotonic()
        with pytest.raises(Canceled):
            fetch(f"http://127.0.0.1:{port}/", port, 60, lambda: time.monotonic() - started_s > 0.2)
        assert time.monotonic() - started_s < 20


def test_a_port_where_nobody_listens_and_a_name_without_address_are_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable):
        fetch(f"http://127.0.0.1:{port}/", port)
    guard = Guard(LOOPBACK, frozenset({port}), lambda _host: [])
    with pytest.raises(Unreachable, match=r"no address for nowhere\.example"):
        post(f"http://nowhere.example:{port}/", b"", {}, guard=guard)


def test_a_message_is_sent_as_it_is_and_little_of_the_answer_is_read() -> None:
    received = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        received.append((handler.command, handler.path, handler.headers["Webhook-Id"], body))
        answer(handler, 410, b"y" * 1_000_000, Retry_After="7")

    with web_server(respond) as port:
        url = f"http://127.0.0.1:{port}/hook?token=1"
        gone = post(url, b'{"a": 1}', {"Webhook-Id": "msg_1"}, guard=guard_for(port))
        assert received == [("POST", "/hook?token=1", "msg_1", b'{"a": 1}')]
        assert (gone.status, gone.headers["retry-after"], gone.body) == (410, "7", b"y" * 4096)


def test_a_redirect_of_what_is_sent_is_an_answer() -> None:
    """It should not carry a message or a file to another place."""
    with web_server(lambda handler: answer(handler, 307, Location="/elsewhere")) as port:
        assert post(f"http://127.0.0.1:{port}/", b"x", {}, guard=guard_for(port)).status == 307


def test_a_file_is_sent_from_the_disk(tmp_path: Path) -> None:
    received = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        size_bytes = int(handler.headers["Content-Length"])
        received.append((handler.command, handler.headers["Content-Type"], handler.rfile.read(size_bytes)))
        answer(handler, 200, ETag='"1"')

    content = bytes(range(256)) * 2000
    (tmp_path / "x.mp3").write_bytes(content)
    with web_server(respond) as port, (tmp_path / "x.mp3").open("rb") as file:
        headers = {"Content-Type": "audio/mpeg"}
        url = f"http://127.0.0.1:{port}/"
        assert put(url, file, len(content), headers, ExchangeContext(guard_for(port), 20)).status == 200
    assert received == [("PUT", "audio/mpeg", content)]


def test_a_refusal_before_the_file_is_read_is_heard() -> None:
    """It should be told the status, not that the line broke."""

    def refuse(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    size_bytes = 20_000_000
    with raw_server(refuse) as port:
        url, file = f"http://127.0.0.1:{port}/", io.BytesIO(bytes(size_bytes))
        assert put(url, file, size_bytes, {}, ExchangeContext(guard_for(port), 20)).status == 403


def test_tls_is_verified_for_the_name_in_the_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should take the certificate of that name, though it connects to an address; and no other."""
    make_certificate(tmp_path, "media.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with web_server(lambda handler: answer(handler, 200, b"safe"), tls=context) as port:
        with pytest.raises(Unreachable, match="SSLCertVerificationError"):
            fetch(f"https://media.example:{port}/", port)
        # OpenSSL's own variable: whom to trust.
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert fetch(f"https://media.example:{port}/", port) == b"safe"
        assert post(f"https://media.example:{port}/", b"", {}, guard=guard_for(port)).body == b"safe"
        with pytest.raises(Unreachable, match="SSLCertVerificationError"):
            fetch(f"https://other.example:{port}/", port)
        with pytest.raises(Unreachable, match="SSLCertVerificationError"):
            post(f"https://other.example:{port}/", b"", {}, guard=guard_for(port))


def make_certificate(folder: Path, name: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*private))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://bucket.example/a/talk.mp4?X-Amz-Signature=secret#x", "https://bucket.example/a/talk.mp4?…"),
        ("https://user:secret@media.example:8443/talk.mp4", "https://media.example:8443/talk.mp4"),
        ("https://[secret", "…"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_secret(url: str, shown: str) -> None:
    assert redacted(url) == shown


def test_an_international_name_is_written_in_ascii() -> None:
    target = parse("https://bücher.example/x")
    assert (target.host, target.netloc) == ("xn--bcher-kva.example", "xn--bcher-kva.example")
    assert parse("http://[2606:2800::1]:8080/").netloc == "[2606:2800::1]:8080"
