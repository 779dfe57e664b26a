"""What `doctor` warns of; and it never shows a secret."""

from pathlib import Path

import pytest

from tests.cli.test_commands import run
from video2mp3.cli.roles.risks import risks
from video2mp3.settings import load_settings

STRONG = "k7-Zq9wLxv0Tn4Rd"
# The settings, and a part of what is said of them; None: nothing is.
CASES: list[tuple[dict[str, object], str | None]] = [
    ({}, None),
    ({"database_url": f"mysql+pymysql://v:{STRONG}@db/v", "queue_url": f"amqp://v:{STRONG}@mq"}, None),
    ({"database_url": "mysql+pymysql://v:password@db/v"}, "DATABASE_URL is a known default"),
    ({"database_url": "mysql+pymysql://root@db/v"}, "DATABASE_URL is empty"),
    ({"queue_url": "amqp://guest:guest@mq/"}, "QUEUE_URL is a known default"),
    ({"queue_url": "amqp://v:sh0rt%21@mq/"}, "QUEUE_URL has fewer than 12"),
    ({"s3_access_key_id": "k", "s3_secret_access_key": "minioadmin"}, "S3_SECRET_ACCESS_KEY is a known default"),
    ({"s3_access_key_id": "k", "s3_secret_access_key": STRONG}, None),
    ({"smtp_host": "m", "smtp_from": "a@b.example", "smtp_username": "v"}, "SMTP_PASSWORD is empty"),
    ({"smtp_host": "m"}, "SMTP_FROM is video2mp3@localhost"),
    (
        {
            "smtp_host": "m",
            "smtp_from": "a@b.example",
            "smtp_username": "v",
            "smtp_password": STRONG,
            "smtp_security": "none",
        },
        "SMTP_SECURITY=none sends",
    ),
    (
        {"smtp_host": "localhost", "smtp_username": "v", "smtp_password": STRONG, "smtp_security": "none"},
        None,
    ),
    ({"allow_unsandboxed": True}, "ALLOW_UNSANDBOXED"),
    ({"max_login_failures": 0}, "MAX_LOGIN_FAILURES=0"),
    ({"password_min_length": 5}, "PASSWORD_MIN_LENGTH=5"),
    ({"trusted_proxies": "0.0.0.0/0"}, "TRUSTED_PROXIES trusts every client"),
    ({"trusted_proxies": "10.0.0.0/8", "public_url": "https://a.example"}, None),
    ({"public_url": "https://a.example"}, "set VIDEO2MP3_TRUSTED_PROXIES"),
    ({"public_url": "https://a.example", "host": "0.0.0.0"}, None),
    ({"public_url": "http://a.example", "host": "0.0.0.0"}, "PUBLIC_URL is not https"),
    ({"public_url": "http://video2mp3.localhost", "host": "0.0.0.0"}, None),
    (
        {
            "redirect_downloads": True,
            "public_url": "https://a.example",
            "host": "0.0.0.0",
            "s3_endpoint_url": "http://s3",
        },
        "set VIDEO2MP3_S3_PUBLIC_ENDPOINT_URL to https",
    ),
    (
        {
            "redirect_downloads": True,
            "public_url": "https://a.example",
            "host": "0.0.0.0",
            "s3_endpoint_url": "http://s3",
            "s3_public_endpoint_url": "https://s3.example",
        },
        None,
    ),
    ({"allowed_hosts": "*"}, "ALLOWED_HOSTS=*"),
    ({"allowed_networks": "0.0.0.0/0"}, "ALLOWED_NETWORKS"),
]


@pytest.mark.parametrize(("settings", "expected"), CASES, ids=str)
def test_each_risk_is_told_by_the_name_of_its_setting(settings: dict[str, object], expected: str | None) -> None:
    found = list(risks(load_settings(**settings)))
    assert len(found) == (expected is not None), found
    assert expected is None or expected in found[0]


def test_doctor_warns_without_failing_or_telling(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("sh0rt-pl4nted")
    secret.chmod(0o644)
    settings = {"SMTP_PASSWORD_FILE": str(secret), "SMTP_USERNAME": "v", "MAX_LOGIN_FAILURES": "0"}
    found = run(tmp_path, "doctor", **{f"VIDEO2MP3_{name}": value for name, value in settings.items()})
    assert (found.returncode, found.stdout.count("warn  safety: ")) == (0, 2)
    assert "VIDEO2MP3_SMTP_PASSWORD_FILE" in found.stdout
    assert "pl4nted" not in found.stdout + found.stderr
    secret.chmod(0o600)
    assert "PASSWORD_FILE" not in run(tmp_path, "doctor", VIDEO2MP3_SMTP_PASSWORD_FILE=str(secret)).stdout


def test_open_modes_of_the_data_are_told(tmp_path: Path) -> None:
    """It should name what others can open, and how to close it; nothing when it is closed."""
    database, objects = tmp_path / "video2mp3.db", tmp_path / "storage" / "objects"
    database.touch(0o600)
    objects.mkdir(mode=0o700, parents=True)
    settings = load_settings(data_dir=tmp_path)
    assert list(risks(settings)) == []
    for path, mode, command in ((tmp_path, 0o755, "700"), (database, 0o640, "600"), (objects, 0o755, "700")):
        before = path.stat().st_mode
        path.chmod(mode)
        (told,) = risks(settings)
        assert f"(mode {mode:04o}); run: chmod {command} {path}" in told
        path.chmod(before)
