"""A wrong or unreachable part is one sentence at start-up that names the setting."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.acceptance.preloaded import run_text
from tests.acceptance.service import PASSWORD, base_env, embedded
from tests.servers import SMTPServer, free_port

WRONG = [
    ("VIDEO2MP3_DATABASE_URL", "mysql+pymysql://user:hunter2@127.0.0.1:{port}/video2mp3"),
    ("VIDEO2MP3_DATABASE_URL", "oracle://user:hunter2@127.0.0.1/x"),
    ("VIDEO2MP3_DATABASE_URL", "not a url"),
    ("VIDEO2MP3_DATABASE_URL", "mysql+pymysql://user:t@p:hunter2@127.0.0.1:{port}/video2mp3"),
    ("VIDEO2MP3_DATABASE_URL", "mysql+pymysql://user:hunter2@127.0.0.1:{port}/video2mp3?secret=hunter2"),
    ("VIDEO2MP3_DATABASE_URL", "sqlite:////proc/nowhere/video2mp3.db"),
    ("VIDEO2MP3_QUEUE_URL", "amqp://user:hunter2@127.0.0.1:{port}/"),
    ("VIDEO2MP3_QUEUE_URL", "kafka://127.0.0.1"),
    ("VIDEO2MP3_STORAGE_URL", "s3://bucket/prefix"),
    ("VIDEO2MP3_STORAGE_URL", "ftp://127.0.0.1/x"),
    ("VIDEO2MP3_STORAGE_URL", "file:///proc/nowhere"),
    ("VIDEO2MP3_PORT", "eighty"),
    ("VIDEO2MP3_SMTP_FROM", "nobody"),
]


@pytest.mark.parametrize(("setting", "value"), WRONG)
def test_a_wrong_setting_is_one_sentence(setting: str, value: str, tmp_path: Path) -> None:
    """It should end with status 1 and one line that names the setting and keeps its password."""
    env = base_env(tmp_path) | {
        "VIDEO2MP3_S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "VIDEO2MP3_S3_ACCESS_KEY_ID": "key",
        "VIDEO2MP3_S3_SECRET_ACCESS_KEY": "hunter2",
        "VIDEO2MP3_SMTP_HOST": "127.0.0.1",
        setting: value.format(port=free_port()),
    }
    arguments = ["serve"] if setting == "VIDEO2MP3_PORT" else ["serve", "--port", "0"]
    result = run_text(arguments, env, tmp_path)
    assert result.returncode == 1
    sentences = [line for line in result.stderr.splitlines() if line.startswith("video2mp3: ")]
    assert len(sentences) == 1, result.stderr
    assert setting in sentences[0]
    assert "Traceback" not in result.stderr
    assert "hunter2" not in result.stderr + result.stdout


def test_a_role_without_tables_says_how_to_make_them(tmp_path: Path) -> None:
    """It should name the command that makes the tables."""
    result = subprocess.run(
        [sys.executable, "-m", "video2mp3", "worker"],
        env=base_env(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert "video2mp3 migrate" in result.stderr


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    """It should say which address is taken, and how to choose another."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = subprocess.run(
            [sys.executable, "-m", "video2mp3", "serve", "--port", port],
            env=base_env(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert port in result.stderr
    assert "--port" in result.stderr


@pytest.mark.parametrize("command", ["api", "worker", "notifier", "migrate", "doctor", "health worker", "user list"])
def test_no_command_tells_a_piece_of_the_password(command: str, tmp_path: Path) -> None:
    """It should say in one sentence which setting is wrong, whatever was called."""
    url = f"mysql+pymysql://user:hun@ter2:x@127.0.0.1:{free_port()}/video2mp3"
    result = run_text(command.split(), base_env(tmp_path) | {"VIDEO2MP3_DATABASE_URL": url}, tmp_path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "VIDEO2MP3_DATABASE_URL" in result.stderr
    assert "ter2" not in result.stderr + result.stdout


def test_a_service_that_others_reach_takes_accounts_by_invitation(tmp_path: Path, mail_server: SMTPServer) -> None:
    """It should say so, refuse who has none, and have a link for the first administrator, who invites."""
    with embedded(tmp_path, mail_server, {"VIDEO2MP3_HOST": "0.0.0.0"}) as service:
        serve = service.roles["serve"]
        secret = serve.wait_for_output(r"sign in as the administrator: \S+/sign-in\?token=(\S+)")[1]
        assert "Registration: by invitation" in serve.wait_for_output(r"Registration: .+")[0]
        url = service.url.replace("0.0.0.0", "127.0.0.1")
        account = {"username": "ada", "password": PASSWORD}
        refused = httpx.post(f"{url}/v1/accounts", json=account)
        assert (refused.status_code, refused.json()["code"]) == (403, "invitation_needed")
        with httpx.Client(base_url=url, follow_redirects=True, headers={"Origin": url}) as admin:
            admin.get("/sign-in", params={"token": secret}).raise_for_status()
            code = admin.post("/v1/invitations", json={}).raise_for_status().json()["code"]
        made = httpx.post(f"{url}/v1/accounts", json={**account, "invitation": code})
        assert made.status_code == 201, made.text
