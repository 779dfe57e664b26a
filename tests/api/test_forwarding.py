"""What proxies say is believed from those that the settings name, and from nobody else."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from tests.api.conftest import PASSWORD, Serve
from video2mp3.api.frame.services import Services
from video2mp3.api.server.forwarding import resolved

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def seen(peer: str | None, *lines: str, proto: str | None = None) -> tuple[str | None, str]:
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    if proto is not None:
        headers.append((b"x-forwarded-proto", proto.encode()))
    scope: dict[str, Any] = {"type": "http", "scheme": "http", "headers": headers, "client": peer and (peer, 1)}
    found = resolved(scope, TRUSTED)
    return found["client"] and found["client"][0], found["scheme"]


CASES: list[tuple[str, tuple[str, ...], str]] = [
    ("10.0.0.1", ("192.0.2.1",), "192.0.2.1"),
    # What the client wrote itself stands before what the proxy added.
    ("10.0.0.1", ("198.51.100.9, 192.0.2.1",), "192.0.2.1"),
    ("10.0.0.1", ("198.51.100.9", "192.0.2.1"), "192.0.2.1"),
    ("10.0.0.1", ("198.51.100.9, 192.0.2.1, 10.2.2.2",), "192.0.2.1"),
    ("10.0.0.1", ("10.3.3.3",), "10.3.3.3"),
    ("10.0.0.1", ("192.0.2.1:4711",), "192.0.2.1"),
    ("10.0.0.1", ("[2001:db8::1]:4711",), "2001:db8::1"),
    ("10.0.0.1", ("2001:db8::1",), "2001:db8::1"),
    ("::ffff:10.0.0.1", ("192.0.2.1",), "192.0.2.1"),
    ("fd00::1", ("192.0.2.1",), "192.0.2.1"),
    ("10.0.0.1", ("192.0.2.1, unknown",), "10.0.0.1"),
    ("10.0.0.1", ("192.0.2.1, unknown, 10.2.2.2",), "10.2.2.2"),
    ("10.0.0.1", ("",), "10.0.0.1"),
    ("10.0.0.1", (), "10.0.0.1"),
    # Nobody's proxy.
    ("192.0.2.7", ("198.51.100.9",), "192.0.2.7"),
    ("127.0.0.1", ("198.51.100.9",), "127.0.0.1"),
    ("testclient", ("198.51.100.9",), "testclient"),
]


@pytest.mark.parametrize(("peer", "lines", "client"), CASES)
def test_the_client_is_the_first_from_the_end_that_is_no_proxy(peer: str, lines: tuple[str, ...], client: str) -> None:
    assert seen(peer, *lines)[0] == client


def test_the_scheme_is_the_last_that_was_told_by_a_proxy() -> None:
    assert seen("10.0.0.1", proto="https")[1] == "https"
    assert seen("10.0.0.1", proto="http, HTTPS")[1] == "https"
    assert seen("10.0.0.1", proto="https, http")[1] == "http"
    assert seen("10.0.0.1", proto="file")[1] == "http"
    assert seen("192.0.2.7", proto="https")[1] == "http"
    assert seen(None, "192.0.2.1", proto="https") == (None, "http")


def test_a_service_believes_its_own_proxy_only(services: Services, serve: Serve, client: httpx.Client) -> None:
    """It should count failed sign-ins by the address that the proxy tells, and set the cookie for TLS only."""
    believing = replace(services, settings=services.settings.model_copy(update={"trusted_proxies": "127.0.0.1"}))
    client.post("/v1/accounts", json={"username": "ada", "password": PASSWORD}).raise_for_status()

    def statuses(http: httpx.Client, *, spread: bool) -> list[int]:
        return [
            http.post(
                "/v1/sessions",
                json={"username": f"nobody{number}", "password": "wrong"},
                headers={"X-Forwarded-For": f"192.0.2.{number if spread else 1}"},
            ).status_code
            for number in range(11)
        ]

    def cookie(http: httpx.Client) -> str:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.1"}
        answer = http.post("/v1/sessions?cookie=1", json={"username": "ada", "password": PASSWORD}, headers=headers)
        return answer.raise_for_status().headers["Set-Cookie"]

    assert "Secure" not in cookie(client)
    with httpx.Client(base_url=serve(believing), timeout=30) as proxied:
        assert statuses(proxied, spread=True) == [401] * 11
        assert "Secure" in cookie(proxied)
        assert statuses(proxied, spread=False) == [401] * 9 + [429] * 2
    assert statuses(client, spread=True) == [401] * 10 + [429]
