"""`video2mp3 login`: a key is stored, and `push` uses it."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest

from tests.client.conftest import Served
from tests.outbound.listeners import answer, web_server
from tests.worker.system import make_wav

PASSWORD = "correct horse"


@pytest.fixture
def home(served: Served, tmp_path: Path) -> Path:
    httpx.post(f"{served.url}/v1/accounts", json={"username": "olga", "password": PASSWORD})
    (tmp_path / "talk.wav").write_bytes(make_wav(0.3))
    return tmp_path


def run(served: Served, home: Path, *arguments: str, stdin: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
    folders = {"XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config")}
    command = [sys.executable, "-m", "video2mp3", *arguments]
    return subprocess.run(
        command, cwd=home, env=served.env | folders | env, input=stdin, capture_output=True, text=True, timeout=60
    )


def conversions_of(served: Served, key: str) -> int:
    answer = httpx.get(f"{served.url}/v1/conversions", headers={"Authorization": f"Bearer {key}"})
    return len(answer.raise_for_status().json()["items"])


def test_a_stored_key_needs_no_password_and_no_address(served: Served, home: Path) -> None:
    done = run(served, home, "login", f"{served.url}/", "--user", "olga", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert (done.returncode, done.stderr) == (0, f"video2mp3: signed in to {served.url}/ as olga\n")
    file = home / "config" / "video2mp3" / "keys.json"
    assert file.stat().st_mode & 0o777 == 0o600
    (key,) = json.loads(file.read_text()).values()
    before = conversions_of(served, key)
    assert run(served, home, "push", "talk.wav").returncode == 0
    assert conversions_of(served, key) == before + 1
    assert run(served, home, "logout", served.url).returncode == 0
    assert json.loads(file.read_text()) == {}


def test_variables_win_over_what_is_stored(served: Served, home: Path) -> None:
    done = run(served, home, "login", served.url, "--user", "olga", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert done.returncode == 0
    wrong = run(served, home, "push", "talk.wav", VIDEO2MP3_SERVER=served.url, VIDEO2MP3_TOKEN="v2m_wrong")
    assert wrong.returncode == 1
    asked: list[str] = []

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        answer(handler, 404, b"")

    with web_server(refuse) as port:
        assert run(served, home, "push", "talk.wav", VIDEO2MP3_SERVER=f"http://127.0.0.1:{port}").returncode == 1
    assert asked


def test_a_key_is_tried_before_it_is_stored(served: Served, home: Path) -> None:
    done = run(served, home, "login", served.url, "--password-stdin", stdin="v2m_wrong\n")
    assert done.returncode == 1
    assert done.stderr == f"video2mp3: {served.url} does not accept this API key; its account's page creates one.\n"
    assert not (home / "config").exists()
    assert "API key; use --password-stdin" in run(served, home, "login", served.url).stderr


def test_a_damaged_file_of_keys_is_kept(served: Served, home: Path) -> None:
    file = home / "config" / "video2mp3" / "keys.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    done = run(served, home, "logout", served.url)
    assert done.returncode == 1
    assert "keys.json is damaged; repair it, or delete it and sign in again." in done.stderr
    assert file.read_text() == "{"
