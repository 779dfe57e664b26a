"""Who may be the user `local` without a token: this machine's programs, not what a site makes a browser send."""

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection

from tests.api.conftest import Serve, SignIn
from video2mp3.api.auth.loopback import is_local_program
from video2mp3.api.frame.services import Services
from video2mp3.api.server.peers import Peer


@pytest.fixture
def services(services: Services) -> Services:
    return replace(services, trust_loopback=True)


LOCAL: list[dict[str, str]] = [
    {},
    {"Host": "localhost"},
    {"Host": "LocalHost:8000"},
    {"Host": "127.0.0.1:1"},
    {"Host": "[::1]"},
    {"Host": "[::1]:8000"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Referer": "http://127.0.0.1/"},
]

FOREIGN: list[dict[str, str]] = [
    {"Host": "evil.example"},
    {"Host": "localhost.evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "127.0.0.1:8000@evil.example"},
    {"Host": "evil.example:127"},
    {"Host": "localhost:x"},
    {"Host": "["},
    {"Host": "[::1"},
    {"Host": "0.0.0.0"},
    {"Host": "192.168.0.1"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "anything"},
    {"Sec-Fetch-Site": ""},
    {"X-Forwarded-For": "127.0.0.1"},
    {"X-Forwarded-Host": "localhost"},
    {"X-Forwarded-Proto": "https"},
    {"X-Forwarded-Anything": ""},
    {"Forwarded": "for=127.0.0.1"},
    {"X-Real-IP": "127.0.0.1"},
    {"Via": "1.1 proxy"},
    {"CF-Connecting-IP": "127.0.0.1"},
    {"X-Original-Host": "localhost"},
    {"X-Client-IP": "127.0.0.1"},
    {"Tailscale-User-Login": "ada@example.org"},
    {"Authorization": "Bearer wrong"},
    {"Authorization": "Basic bG9jYWw6"},
    {"Authorization": ""},
    {"Cookie": "video2mp3_session_{port}=wrong"},
    {"Cookie": "video2mp3_session_{port}="},
]


@pytest.mark.parametrize("headers", LOCAL, ids=str)
def test_a_program_on_this_machine_is_the_local_user(client: httpx.Client, headers: dict[str, str]) -> None:
    me = client.get("/v1/me", headers=headers)
    assert me.status_code == 200
    assert (me.json()["username"], me.json()["signed_in_by"], me.json()["built_in"]) == ("local", "loopback", True)
    assert client.post("/validate", headers=headers).json() == {"username": "local"}


def test_whatever_another_site_or_a_proxy_sends_is_nobody(client: httpx.Client) -> None:
    assert client.get("/v1/me").status_code == 200
    for foreign in FOREIGN:
        headers = {name: value.replace("{port}", str(client.base_url.port)) for name, value in foreign.items()}
        for method, path in (("GET", "/v1/me"), ("POST", "/validate")):
            refused = client.request(method, path, headers=headers)
            assert (refused.status_code, refused.json()["code"]) in (
                (401, "unauthenticated"),
                (421, "unknown_host"),
                (403, "forbidden"),  # an unsafe request with a cookie
            ), headers
    assert client.get("/v1/me").status_code == 200


def test_a_token_still_says_who_one_is(client: httpx.Client, sign_in: SignIn) -> None:
    me = sign_in("ada").http.get("/v1/me").json()
    assert (me["username"], me["built_in"]) == ("ada", False)
    assert client.get("/v1/me").json()["username"] == "local"


def test_where_a_login_is_required_nobody_is_local(services: Services, serve: Serve) -> None:
    url = serve(replace(services, trust_loopback=False))
    for headers in LOCAL:
        assert httpx.get(f"{url}/v1/me", headers=headers).status_code == 401


def connection(peer: str | None, *hosts: bytes) -> HTTPConnection:
    scope: dict[str, Any] = {"type": "http", "headers": [(b"host", host) for host in hosts or (b"localhost",)]}
    return HTTPConnection({**scope, "client": None if peer is None else (peer, 50_000)})


OWN_PEERS = ("127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1")
OTHER_PEERS = ("192.168.0.1", "10.0.0.1", "::", "0.0.0.0", "fe80::1", "2001:db8::1", "::ffff:8.8.8.8", "host", None)


@pytest.fixture
def own_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes every peer for one of our account, since there is no connection to look up."""
    monkeypatch.setattr(Peer, "is_own", True)


@pytest.mark.usefixtures("own_peers")
def test_the_peer_must_be_this_machine() -> None:
    assert all(is_local_program(connection(peer)) for peer in OWN_PEERS)
    assert not any(is_local_program(connection(peer)) for peer in OTHER_PEERS)


@pytest.mark.usefixtures("own_peers")
def test_the_host_must_be_named_once() -> None:
    assert is_local_program(connection("127.0.0.1", b"localhost"))
    assert not is_local_program(connection("127.0.0.1", b"localhost", b"evil.example"))
    assert not is_local_program(HTTPConnection({"type": "http", "headers": [], "client": ("127.0.0.1", 1)}))


@pytest.mark.usefixtures("own_peers")
def test_a_proxy_that_speaks_http_1_0_is_nobody() -> None:
    local = connection("127.0.0.1")
    assert is_local_program(local)
    assert not is_local_program(HTTPConnection({**local.scope, "http_version": "1.0"}))


CONNECT = """
import socket, sys
family, host, port, command = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
client = socket.socket(family)
client.connect((host, port))
if command == "close":
    client.sendall(b"GET / HTTP/1.1")
    client.close()
print("done", flush=True)
sys.stdin.read()
"""
LISTENERS = [
    (socket.AF_INET, "127.0.0.1", socket.AF_INET, "127.0.0.1"),
    (socket.AF_INET, "127.0.0.1", socket.AF_INET6, "::ffff:127.0.0.1"),
    (socket.AF_INET6, "::1", socket.AF_INET6, "::1"),
    (socket.AF_INET6, "::", socket.AF_INET, "127.0.0.1"),
]


def is_own(
    listening: tuple[socket.AddressFamily, str], calling: tuple[socket.AddressFamily, str], uid: int, command: str
) -> bool:
    """Lets a process of that account connect, and looks whether it is taken for one of ours."""
    with socket.socket(listening[0]) as listener:
        if listening[1] == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((listening[1], 0))
        listener.listen()
        port = listener.getsockname()[1]
        account = [] if uid == os.geteuid() else ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        program = [
            *account,
            "/usr/bin/env",
            "python3",
            "-c",
            CONNECT,
            str(int(calling[0])),
            calling[1],
            str(port),
            command,
        ]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            accepted, client = listener.accept()
            with accepted:
                assert process.stdout is not None
                process.stdout.readline()
                found = Peer(client[:2], accepted.getsockname()[:2]).is_own
            process.communicate()
            assert process.returncode == 0
            return found


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells to whom a socket belongs.")
root_only = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or not shutil.which("setpriv"), reason="Only root can be another account."
)


@linux_only
@pytest.mark.parametrize(("ours", "host", "theirs", "to"), LISTENERS, ids=str)
def test_a_program_of_our_account_is_known_by_its_socket(
    ours: socket.AddressFamily, host: str, theirs: socket.AddressFamily, to: str
) -> None:
    assert is_own((ours, host), (theirs, to), os.geteuid(), "stay")


@linux_only
@root_only
@pytest.mark.parametrize(("ours", "host", "theirs", "to"), LISTENERS, ids=str)
@pytest.mark.parametrize("command", ["stay", "close"])
def test_a_program_of_another_account_is_nobody(
    ours: socket.AddressFamily, host: str, theirs: socket.AddressFamily, to: str, command: str
) -> None:
    """It should be so too when it has closed its socket: the kernel shows user 0 for it then."""
    assert not is_own((ours, host), (theirs, to), 65534, command)


@linux_only
def test_a_peer_that_has_gone_or_was_never_there_is_nobody() -> None:
    assert not Peer(("127.0.0.1", 1), ("127.0.0.1", 2)).is_own
    assert not Peer(None, ("127.0.0.1", 2)).is_own
    assert not Peer(("nowhere", 1), ("127.0.0.1", 2)).is_own
