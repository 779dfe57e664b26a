"""A stranger who comes through a plain nginx, or from another account of the machine, beside the machine's own user."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.abuse.conftest import StartService, guest
from tests.acceptance.service import PASSWORD, Service
from tests.servers import free_port

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="Only root can run nginx as another account."),
    pytest.mark.skipif(not Path(NGINX).exists(), reason="There is no nginx (make tools)."),
]

CONFIGURATION = """
daemon off; master_process on; worker_processes 1; user {account}; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {url}; {more} }} }}
}}
"""
_numbers = count(1)
KEEPS_HOST = "proxy_http_version 1.1; proxy_set_header Host $host;"


def without_uid_check() -> None:
    """Every peer on loopback is taken for one of our account."""
    from video2mp3.api.server.peers import Peer

    Peer.is_own = True  # type: ignore[assignment, method-assign]


@contextmanager
def nginx(folder: Path, url: str, more: str, account: str = "www-data") -> Iterator[str]:
    """A proxy in front of the service, whose workers run as that account; its URL."""
    folder.mkdir()
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(folder=folder, port=port, url=url, more=more, account=account), "utf-8"
    )
    with subprocess.Popen([NGINX, "-c", str(configuration), "-e", str(folder / "error.log")]) as process:
        try:
            for _ in range(100):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/livez")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def who_is(url: str, host: str | None = None) -> tuple[int, str | None]:
    me = httpx.get(f"{url}/v1/me", headers={"Host": host} if host else {})
    return me.status_code, me.json().get("username")


def register(url: str, host: str | None = None) -> int:
    account = {"username": f"somebody-{next(_numbers)}", "password": PASSWORD}
    return httpx.post(f"{url}/v1/accounts", json=account, headers={"Host": host} if host else {}).status_code


@pytest.mark.parametrize("more", ["", KEEPS_HOST], ids=["plain", "keeps-host"])
def test_a_stranger_behind_nginx_is_nobody(whole_service: Service, tmp_path: Path, more: str) -> None:
    with nginx(tmp_path / "nginx", whole_service.url, more) as proxied:
        for host in (None, "localhost", "127.0.0.1"):
            assert who_is(proxied, host)[0] == 401
            assert register(proxied, host) == 403
        assert register(whole_service.url) == 201
        # Beside it: this machine's own user, and somebody with an account behind the proxy.
        assert who_is(whole_service.url) == (200, "local")
        with guest(whole_service) as ada:
            name = ada.get("/v1/me").json()["username"]
            ada.base_url = httpx.URL(proxied)
            assert ada.get("/v1/me").json()["username"] == name


def test_another_account_of_the_machine_is_nobody(whole_service: Service) -> None:
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for prefix, status in (([], "200"), (nobody, "401"), ([], "200")):
        command = [*prefix, *curl, f"{whole_service.url}/v1/me"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == status


def test_behind_a_public_url_nobody_is_local(start_service: StartService) -> None:
    """It should be so for our own account too: its proxy looks like any other of its programs."""
    with start_service(public_url="https://mp3.example.org") as service:
        assert who_is(service.url)[0] == 401
        assert "need no sign-in" not in service.logs()


def test_without_the_check_a_stranger_is_this_machine_s_user(start_service: StartService, tmp_path: Path) -> None:
    with (
        start_service(without_uid_check) as service,
        nginx(tmp_path / "nginx", service.url, KEEPS_HOST) as proxied,
    ):
        assert who_is(proxied, "localhost") == (200, "local")
        assert register(proxied, "localhost") == 201
