"""How the first administrator gets in: by the link that the start prints, or by a new one."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.api.conftest import PASSWORD, Serve
from tests.cli.test_commands import run
from video2mp3.accounts import users
from video2mp3.api.frame.services import Services
from video2mp3.cli.roles.http_server import print_api_started
from video2mp3.database.connection import Database
from video2mp3.wiring import Backends


def who_opens(url: str, link: str) -> tuple[str, str, int]:
    """Opens a link in a new browser; its name and role, and the status of what is for administrators."""
    parts = urlsplit(link)
    with httpx.Client(base_url=url, follow_redirects=True) as browser:
        browser.get(f"{parts.path}?{parts.query}").raise_for_status()
        me = browser.get("/v1/me").raise_for_status().json()
        return me["username"], me["role"], browser.get("/v1/admin/queue").status_code


def new_link(tmp_path: Path, *arguments: str, **env: str) -> str:
    result = run(tmp_path, "sign-in-link", *arguments, VIDEO2MP3_DATA_DIR=str(tmp_path), **env)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_new_link_signs_this_machine_s_user_in_as_an_administrator(
    url: str, services: Services, tmp_path: Path
) -> None:
    link = new_link(tmp_path)
    assert link.startswith("http://127.0.0.1:8000/sign-in?token=")
    assert who_opens(url, link) == ("local", "admin", 200)
    again = httpx.get(f"{url}/sign-in?{urlsplit(link).query}")
    assert again.status_code == 401
    assert "video2mp3 sign-in-link" in again.text


def test_a_link_can_be_for_any_account(url: str, services: Services, tmp_path: Path) -> None:
    httpx.post(f"{url}/v1/accounts", json={"username": "ada", "password": PASSWORD}).raise_for_status()
    assert who_opens(url, new_link(tmp_path, "ada")) == ("ada", "user", 403)
    refused = run(tmp_path, "sign-in-link", "eve", VIDEO2MP3_DATA_DIR=str(tmp_path))
    assert (refused.returncode, refused.stderr) == (1, "video2mp3: There is no such account.\n")
    public = {"VIDEO2MP3_PUBLIC_URL": "https://mp3.example.org"}
    assert new_link(tmp_path, "ada", **public).startswith("https://mp3.example.org/sign-in?token=")


def test_each_start_of_the_api_prints_a_link_until_there_is_an_account(
    services: Services, serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    backends = Backends(services.database, services.queue, services.storage)
    url = serve(services)

    def start() -> list[str]:
        print_api_started(services.settings, backends, url)
        return re.findall(r"sign in as the administrator: (\S+)", capsys.readouterr().out)

    first, second = (*start(), *start())
    assert who_opens(url, first) == who_opens(url, second) == ("admin", "admin", 200)
    with services.database.write() as session:
        users.register(session, username="ada", password=PASSWORD, role="admin")
    assert start() == []


def test_processes_that_start_at_once_make_one_administrator(database: Database) -> None:
    def start(_: int) -> str | None:
        with database.write() as session:
            user = users.set_up_user(session)
            return user.id if user else None

    with ThreadPoolExecutor(4) as pool:
        ids = set(pool.map(start, range(4)))
    assert len(ids) == 1
    assert ids != {None}
