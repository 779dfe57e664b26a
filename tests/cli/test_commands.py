"""The commands apart from `convert` and those that serve."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.preloaded import run_text
from tests.acceptance.service import base_env
from tests.servers import free_port
from video2mp3.accounts import passwords, users
from video2mp3.database.connection import Database

SERVICE = ("video2mp3.cli.roles.http_server", "video2mp3.cli.roles.server")
CLIENTS = ("video2mp3.queue.rabbitmq", "video2mp3.storage.objects", "alembic")


@functools.cache
def loaded_by(*names: str) -> set[str]:
    """The modules of a process that imports these."""
    program = f"import sys, {', '.join(names)}; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", program], text=True).split())


def run(folder: Path, *arguments: str, stdin: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
    """Runs `video2mp3` with its data in a folder."""
    return run_text(arguments, base_env(folder) | env, Path.cwd(), stdin)


def run_cold(folder: Path, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """The same, with an interpreter that is started for it, as it is for users."""
    command = [sys.executable, "-m", "video2mp3", *arguments]
    env = base_env(folder) | env
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_doctor_finds_a_new_machine_well(tmp_path: Path) -> None:
    """It should check every part, and say so when all work."""
    result = run(tmp_path, "doctor")
    assert result.returncode == 0, result.stdout
    for part in (
        "machine",
        "registration",
        "disk",
        "engine",
        "sandbox",
        "database",
        "broker",
        "storage",
        "email",
    ):
        assert f"ok    {part}: " in result.stdout
    assert "Everything works." in result.stdout
    assert list(tmp_path.iterdir()) == [], "it should leave nothing behind"


@pytest.mark.parametrize(
    ("part", "setting", "value"),
    [
        ("database", "VIDEO2MP3_DATABASE_URL", "mysql+pymysql://u:hunter2@127.0.0.1:{port}/x"),
        ("broker", "VIDEO2MP3_QUEUE_URL", "amqp://u:hunter2@127.0.0.1:{port}/"),
        ("storage", "VIDEO2MP3_STORAGE_URL", "file:///proc/nowhere"),
        ("email", "VIDEO2MP3_SMTP_HOST", "127.0.0.1"),
        ("email", "VIDEO2MP3_SMTP_FROM", "nobody"),
    ],
)
def test_doctor_names_what_is_wrong_and_checks_the_rest(part: str, setting: str, value: str, tmp_path: Path) -> None:
    """It should name the setting, check the other parts all the same, and end with status 1."""
    port = str(free_port())
    mail = {"VIDEO2MP3_SMTP_HOST": "127.0.0.1", "VIDEO2MP3_SMTP_PORT": port} if part == "email" else {}
    result = run(tmp_path, "doctor", **mail | {setting: value.format(port=port)})
    assert result.returncode == 1
    (failure,) = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert part in failure
    assert setting in failure
    assert result.stdout.count("ok    ") == 8
    assert "hunter2" not in result.stdout + result.stderr


def test_a_mistyped_setting_is_named(tmp_path: Path) -> None:
    """It should be the only thing that is said, for the variable would be ignored."""
    result = run(tmp_path, "doctor", VIDEO2MP3_S3_ENDPOINT="http://127.0.0.1:9000")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "video2mp3: There is no VIDEO2MP3_S3_ENDPOINT; the nearest is VIDEO2MP3_S3_ENDPOINT_URL.\n"
    )


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "anyone who reaches the service can create an account (VIDEO2MP3_REGISTRATION is not set, and only"),
        (
            {"VIDEO2MP3_HOST": "0.0.0.0"},
            "by invitation, from an administrator or `video2mp3 user invite` (VIDEO2MP3_REG",
        ),
        ({"VIDEO2MP3_REGISTRATION": "closed"}, "nobody; `video2mp3 user add NAME` creates accounts (VIDEO2MP3_REG"),
    ],
)
def test_doctor_says_who_may_make_an_account(env: dict[str, str], said: str, tmp_path: Path) -> None:
    assert f"ok    registration: {said}" in run(tmp_path, "doctor", **env).stdout


def test_user_add_makes_an_account_that_can_sign_in(tmp_path: Path) -> None:
    """It should take the password from standard input, and refuse the same name twice."""
    arguments = ("user", "add", "grace", "--email", "grace@example.org", "--admin", "--password-stdin")
    assert run(tmp_path, *arguments, stdin="correct horse\n").returncode == 0
    database = Database(f"sqlite:///{tmp_path / 'data' / 'video2mp3.db'}")
    with database.read() as session:
        grace = users.find_by_username(session, "grace")
    assert grace is not None
    assert (grace.role, grace.email) == ("admin", "grace@example.org")
    assert passwords.verify_password("correct horse", grace.password_hash)

    again = run(tmp_path, *arguments, stdin="correct horse\n")
    assert again.returncode == 1
    assert again.stderr == "video2mp3: Username already registered\n"


def test_user_add_without_a_terminal_says_how(tmp_path: Path) -> None:
    """It should not wait for a password that nobody can type."""
    result = run(tmp_path, "user", "add", "grace")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "video2mp3: There is no terminal to ask for the password; use --password-stdin.\n"


def test_help_is_plain_and_whole(tmp_path: Path) -> None:
    """It should show every command's line in full, and no switch as if it took a value."""
    overview = run(tmp_path, "--help").stdout
    assert re.search(r"^  migrate +Migrate the database to this version's tables\.$", overview, re.MULTILINE)
    assert "..." not in overview.split("Commands:")[1]
    assert re.search(r"^  -f, --force +Overwrite", run(tmp_path, "convert", "-h").stdout, re.MULTILINE)


def test_the_service_in_one_process_loads_no_client_of_other_servers() -> None:
    """It should leave their memory, and Alembic's where the tables are current, to those who need them."""
    clients = {"aio_pika", "obstore", "alembic"}
    assert not clients & loaded_by(*SERVICE)
    assert clients <= loaded_by(*SERVICE, *CLIENTS)


def test_a_worker_and_a_notifier_load_no_web_framework() -> None:
    """It should leave its memory and its time to the roles that answer requests."""
    assert "fastapi" not in loaded_by("video2mp3.cli.roles.server")
    assert "fastapi" in loaded_by(*SERVICE)


def test_converting_loads_no_server() -> None:
    """It should not make `convert` wait for the web framework, the database library, the broker's and the metrics'."""
    servers = {"fastapi", "sqlalchemy", "aio_pika", "prometheus_client"}
    assert not servers & loaded_by("video2mp3.cli")
    assert servers <= loaded_by(*SERVICE, *CLIENTS)
