"""No URL of a user's leads inside: whatever its form, its names, its redirects."""

import io
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address, ip_network

import httpx
import pytest

from tests.outbound.listeners import Canary, answer, web_server
from tests.outbound.test_exchange import post
from video2mp3.errors import Unreachable, UrlRejected
from video2mp3.outbound import ExchangeContext, Guard, RemoteFile, get, parse, put
from video2mp3.outbound import connection as connections
from video2mp3.outbound.addresses import is_allowed

EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))

# What the names of the table lead to; all else is read by the system's resolver.
NAMES = {
    "localhost.example": ["127.0.0.1"],
    "private.example": ["10.1.2.3"],
    "metadata.google.internal": ["169.254.169.254"],
    "mixed.example": ["93.184.216.34", "192.168.0.10"],
    "mixed-six.example": ["2606:2800:220:1::1", "fd00:ec2::254"],
    "mapped.example": ["::ffff:10.0.0.1"],
    "zone.example": ["fe80::1%lo"],
    "nat64.example": ["64:ff9b::7f00:1"],
}
HOSTS = [
    # loopback, in every form that a resolver reads
    "127.0.0.1", "127.0.0.2", "127.255.255.254", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f000001",
    "0x7F.0x0.0x0.0x1", "0177.0.0.1", "0177.0.0.01", "0x7f.1", "127.0.0.1.", "①②⑦.⓪.⓪.①", "127。0。0。1",
    "１２７.0.0.1", "localhost", "LOCALHOST", "localhost.example", "0", "0.0.0.0", "0x0", "00000000000",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    # private, shared, link-local, metadata
    "10.0.0.1", "167772161", "0xa000001", "012.0.0.1", "10.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "3232235777", "100.64.0.1", "100.100.100.200", "169.254.169.254", "2852039166", "0xA9FEA9FE", "0251.0376.0251.0376",
    "168.63.129.16", "192.0.0.192", "private.example", "metadata.google.internal", "mixed.example", "mixed-six.example",
    "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "mapped.example",
    "zone.example",
    # IPv6 addresses that hold one of IPv4
    "[2002:7f00:1::]", "[2002:a00:1::1]", "[64:ff9b::10.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]",
    "[2001:0:7f00:1::]", "[::ffff:0:10.0.0.1]", "nat64.example",
    # neither public nor of any use
    "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.88.99.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "[ff02::1]", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]",
]  # fmt: skip
FORMS = [
    "file:///etc/passwd", "file://127.0.0.1/etc/passwd", "gopher://127.0.0.1:{port}/_GET", "ftp://127.0.0.1:{port}/",
    "dict://127.0.0.1:{port}/stat", "ldap://127.0.0.1:{port}/", "unix:///run/docker.sock", "data:text/plain,x",
    "javascript:alert(1)", "jar:http://127.0.0.1:{port}!/", "//127.0.0.1:{port}/", "127.0.0.1:{port}", "/etc/passwd",
    "", "http://", "http:///x", "http:127.0.0.1:{port}", "http://user:secret@127.0.0.1:{port}/",
    "http://93.184.216.34@127.0.0.1:{port}/", "http://127.0.0.1:{port}@93.184.216.34/", "http://93.184.216.34\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@x.example/", "http://127.0.0.1 :{port}/", "http://127.0.0.1\t:{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: x.example", "http://127.0.0.1%00.x.example:{port}/", "http://%31%32%37.0.0.1:{port}/",
    "http://[fe80::1%25lo]:{port}/", "http://[127.0.0.1]:{port}/", "http://[::1:{port}/", "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/", "http://127.0.0.1:22/", "http://x..example:{port}/", "http://" + "x" * 9000,
]  # fmt: skip


def lookup(host: str) -> list[str]:
    if host in NAMES:
        return NAMES[host]
    # No test asks a real name server.
    flags = 0 if host == "localhost" else socket.AI_NUMERICHOST
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    return [str(sockaddr[0]) for *_, sockaddr in found]


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canary]:
    """A network in which every address leads to the canary."""
    with Canary() as canary:
        real = connections.dial
        loopback = ip_address("127.0.0.1")
        monkeypatch.setattr(connections, "dial", lambda _address, _port, s: real(loopback, canary.port, s))
        stream = connections.dial_stream
        monkeypatch.setattr(
            connections, "dial_stream", lambda _address, _port, *tls: stream(loopback, canary.port, *tls)
        )
        yield canary


def fetch(url: str, guard: Guard) -> bytes:
    with get(url, {}, ExchangeContext(guard, 20)) as incoming:
        return incoming.read(100)


def test_no_form_of_an_address_reaches_the_inside(inside: Canary) -> None:
    """It should refuse each, without a connection; with the guard taken out each reaches the canary."""
    guard = Guard(ports=frozenset({inside.port}), resolve=lookup)
    for host in HOSTS:
        with pytest.raises(UrlRejected):
            fetch(f"http://{host}:{inside.port}/", guard)
        with pytest.raises(UrlRejected):
            post(f"http://{host}:{inside.port}/", b"{}", {}, guard=guard)
    assert inside.reached == 0
    no_guard = Guard(EVERYWHERE, frozenset({inside.port}), lookup)
    for number, host in enumerate(HOSTS, 1):
        assert fetch(f"http://{host}:{inside.port}/", no_guard) == b"secret"
        assert inside.reached == number, host
    assert len(HOSTS) >= 60


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[:40])
def test_no_other_form_of_a_url_is_taken(form: str, inside: Canary) -> None:
    """It should be refused as it is written, even where every address is allowed: scheme, user name, port, spelling."""
    url = form.format(port=inside.port)
    no_guard = Guard(EVERYWHERE, frozenset({inside.port}), lookup)
    with pytest.raises(UrlRejected):
        fetch(url, no_guard)
    with pytest.raises(UrlRejected):
        post(url, b"{}", {}, guard=no_guard)
    with pytest.raises(UrlRejected):
        no_guard.check(url)
    assert inside.reached == 0


def test_every_address_of_the_inside_is_known_when_it_is_ordered() -> None:
    """It should refuse addresses at once, and leave names to the moment of the connection."""
    guard = Guard(resolve=lookup)
    for host in HOSTS:
        is_name = host.lower().rstrip(".") in {*NAMES, "localhost"}
        if is_name:
            assert guard.check(f"http://{host}/").host == host.lower()
        else:
            with pytest.raises(UrlRejected):
                guard.check(f"http://{host}/")


def read_part(url: str, guard: Guard) -> None:
    with RemoteFile(parse(url), 100, '"etag"', ExchangeContext(guard, 20)) as remote, suppress(Unreachable):
        remote.read(0, 10)


@pytest.mark.parametrize("send", ["get", "put", "post", "parts"])
def test_all_that_is_sent_asks_the_guard(send: str, inside: Canary) -> None:
    url, guard = f"http://10.0.0.1:{inside.port}/", Guard(ports=frozenset({inside.port}))
    calls: dict[str, Callable[[Guard], object]] = {
        "get": lambda guard: fetch(url, guard),
        "put": lambda guard: put(url, io.BytesIO(), 0, {}, ExchangeContext(guard, 20)),
        "post": lambda guard: post(url, b"{}", {}, guard=guard),
        "parts": lambda guard: read_part(url, guard),
    }
    with pytest.raises(UrlRejected):
        calls[send](guard)
    assert inside.reached == 0
    calls[send](Guard(EVERYWHERE, frozenset({inside.port})))
    assert inside.reached >= 1


def test_a_name_that_changes_is_connected_to_as_it_was_checked() -> None:
    """It should not ask again after the check: a rebinding name leads inside the second time."""
    asked = []

    def rebinding(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.2"] if len(asked) % 2 else ["127.0.0.1"]

    with Canary() as canary, web_server(say_outside, "127.0.0.2", canary.port):
        guard = Guard((ip_network("127.0.0.2/32"),), frozenset({canary.port}), rebinding)
        url = f"http://rebinding.example:{canary.port}/"
        assert fetch(url, guard) == b"outside"
        assert (len(asked), canary.reached) == (1, 0)
        # The second time it leads inside from the start.
        with pytest.raises(UrlRejected):
            fetch(url, guard)
        assert (len(asked), canary.reached) == (2, 0)
        # Whoever checks first and lets the client resolve again is led inside.
        guard.addresses(parse(url))
        address = rebinding("rebinding.example")[0]
        assert httpx.get(f"http://{address}:{canary.port}/", trust_env=False).text == "secret"
        assert canary.reached == 1


def say_outside(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 200, b"outside")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["http://127.0.0.1:{port}/", "//2130706433:{port}/", "http://inside.example:{port}/"])
def test_a_redirect_to_the_inside_is_not_followed(status: int, to: str) -> None:
    def lookup_two(host: str) -> list[str]:
        return {"outside.example": ["127.0.0.2"], "inside.example": ["127.0.0.1"]}.get(host) or lookup(host)

    with Canary() as canary:
        location = to.format(port=canary.port)
        with web_server(lambda handler: answer(handler, status, Location=location), "127.0.0.2") as port:
            ports = frozenset({port, canary.port})
            url = f"http://outside.example:{port}/"
            with pytest.raises(UrlRejected):
                fetch(url, Guard((ip_network("127.0.0.2/32"),), ports, lookup_two))
            assert canary.reached == 0
            assert fetch(url, Guard(EVERYWHERE, ports, lookup_two)) == b"secret"
            assert canary.reached == 1


@pytest.mark.parametrize("to", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://127.0.0.1:22/", "http://a:b@x/"])
def test_a_redirect_to_another_scheme_or_port_is_not_followed(to: str) -> None:
    with web_server(lambda handler: answer(handler, 302, Location=to)) as port, pytest.raises(UrlRejected):
        fetch(f"http://127.0.0.1:{port}/", Guard(EVERYWHERE, frozenset({port})))


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should connect itself: a proxy would connect wherever it was told to."""
    with Canary() as canary, web_server(lambda handler: answer(handler, 200, b"direct")) as port:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        url = f"http://127.0.0.1:{port}/"
        assert fetch(url, Guard(EVERYWHERE, frozenset({port}))) == b"direct"
        assert canary.reached == 0
        assert httpx.get(url).text == "secret"
        assert canary.reached == 1


def test_public_addresses_are_allowed() -> None:
    """It should be no guard that refuses everything."""
    for public in ("93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::8.8.8.8"):
        assert is_allowed(ip_address(public), ()), public
