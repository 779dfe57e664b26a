"""For which names requests are answered."""

import socket
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.conftest import Serve
from video2mp3.api.frame.services import Services
from video2mp3.api.server.hosts import HostRule
from video2mp3.settings import load_settings

ON_LOOPBACK: dict[str, str] = {}
ANYWHERE = {"host": "0.0.0.0"}
PUBLIC = {"host": "0.0.0.0", "public_url": "https://Video.example.com:8443/mp3", "registration": "open"}
LISTED = PUBLIC | {"allowed_hosts": "api.example.com, *.internal.example"}
ALL = PUBLIC | {"allowed_hosts": "*"}
# Which of these settings answer for which host.
HOSTS: list[tuple[str, list[dict[str, str]]]] = [
    ("localhost", [ON_LOOPBACK, ANYWHERE, PUBLIC, LISTED, ALL]),
    ("127.0.0.1:8000", [ON_LOOPBACK, ANYWHERE, PUBLIC, LISTED, ALL]),
    ("[::1]:8000", [ON_LOOPBACK, ANYWHERE, PUBLIC, LISTED, ALL]),
    # As probes and pods of a cluster call it.
    ("10.1.2.3:8000", [ON_LOOPBACK, ANYWHERE, PUBLIC, ALL]),
    ("[2001:db8::1]", [ON_LOOPBACK, ANYWHERE, PUBLIC, ALL]),
    ("api:8000", [ON_LOOPBACK, ANYWHERE, PUBLIC, ALL]),
    ("video2mp3.localhost", [ON_LOOPBACK, ANYWHERE, PUBLIC, ALL]),
    ("video.example.com", [ANYWHERE, PUBLIC, LISTED, ALL]),
    ("VIDEO.example.com.:80", [ANYWHERE, PUBLIC, LISTED, ALL]),
    ("api.example.com", [ANYWHERE, LISTED, ALL]),
    ("a.internal.example", [ANYWHERE, LISTED, ALL]),
    ("internal.example", [ANYWHERE, ALL]),
    ("evil.example", [ANYWHERE, ALL]),
    ("localhost.evil.example", [ANYWHERE, ALL]),
    ("127.0.0.1.evil.example", [ANYWHERE, ALL]),
    ("127.0.0.1@evil.example", [ANYWHERE, ALL]),
    ("video.example.com:x", [ANYWHERE, ALL]),
    ("video.example.com evil", [ANYWHERE, ALL]),
    ("[::1", [ANYWHERE, ALL]),
    ("", [ANYWHERE, ALL]),
]


@pytest.mark.parametrize(("host", "allowing"), HOSTS)
def test_a_name_is_answered_where_it_can_be_ours(host: str, allowing: list[dict[str, str]]) -> None:
    for values in (ON_LOOPBACK, ANYWHERE, PUBLIC, LISTED, ALL):
        scope = {"type": "http", "path": "/v1/me", "headers": [(b"host", host.encode())]}
        assert HostRule(load_settings(**values)).allows(scope) == (values in allowing), values


def test_two_hosts_are_none_and_probes_may_come_by_any() -> None:
    rule = HostRule(load_settings(**LISTED))
    twice = [(b"host", b"api.example.com"), (b"host", b"api.example.com")]
    assert not rule.allows({"type": "http", "path": "/", "headers": twice})
    assert rule.allows({"type": "http", "path": "/", "headers": twice[1:]})
    for path in ("/livez", "/readyz"):
        assert rule.allows({"type": "http", "path": path, "headers": [(b"host", b"10.1.2.3:8000")]})
    assert not rule.allows({"type": "http", "path": "/livez/..", "headers": [(b"host", b"evil.example")]})


def test_another_site_s_name_is_refused_before_anything_is_done(services: Services, serve: Serve) -> None:
    """It should tell browsers of a public URL with https to come by TLS, in this answer too."""
    public = replace(services, settings=services.settings.model_copy(update=PUBLIC))
    with httpx.Client(base_url=serve(public), timeout=30) as client:
        account = {"username": "ada", "password": "correct horse battery"}
        refused = client.post("/v1/accounts", json=account, headers={"Host": "evil.example"})
        assert (refused.status_code, refused.json()["code"]) == (421, "unknown_host")
        assert refused.headers["Strict-Transport-Security"] == "max-age=31536000"
        for host in ("10.244.0.17:8000", "evil.example"):
            assert client.get("/livez", headers={"Host": host}).status_code == 200
            assert client.get("/readyz", headers={"Host": host}).status_code == 200
        made = client.post("/v1/accounts", json=account, headers={"Host": "video.example.com"})
        assert (made.status_code, "Strict-Transport-Security" in made.headers) == (201, True)


def test_a_request_of_the_old_protocol_has_no_host(url: str) -> None:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
        line.sendall(b"GET /.well-known/jwks.json HTTP/1.0\r\n\r\n")
        assert b" 200 " in line.recv(64)
