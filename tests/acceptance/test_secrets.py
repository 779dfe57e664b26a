"""Secrets of the settings and of users are in no log, error, metric or list of processes, nor said by doctor."""

from pathlib import Path

import httpx

from tests.acceptance.preloaded import run_text
from tests.acceptance.service import PASSWORD, Service, base_env, embedded
from tests.servers import SMTPServer
from tests.servers.programs import free_port

SETTINGS = {
    "VIDEO2MP3_S3_ACCESS_KEY_ID": "planted-s3-key-id",
    "VIDEO2MP3_S3_SECRET_ACCESS_KEY": "planted-s3-secret",
    "VIDEO2MP3_SMTP_USERNAME": "video2mp3",
    "VIDEO2MP3_SMTP_PASSWORD": "planted-smtp-password",
}


def used(service: Service, metrics_url: str) -> tuple[set[str], str]:
    """Uses what takes and makes secrets, rightly and wrongly; returns users' secrets, and all answers and metrics."""
    secrets, told = {PASSWORD, "planted-query"}, []
    with service.user("ada") as http:
        secrets.add(http.headers["Authorization"].removeprefix("Bearer "))
        key = http.post("/v1/api-keys", json={"name": "a", "scopes": ["read"]}).raise_for_status().json()["key"]
        url = "https://hooks.example.org/?signature=planted-query"
        secrets |= {key, http.post("/v1/webhooks", json={"url": url}).raise_for_status().json()["secret"]}
        told += [http.get("/v1/webhooks").text, http.get("/v1/api-keys").text]
        with httpx.Client(base_url=service.url, timeout=30) as anybody:
            told += [
                anybody.post("/v1/sessions", json={"username": "ada", "password": f"{PASSWORD}?", "x": PASSWORD}).text,
                anybody.post("/login", auth=("nobody", PASSWORD)).text,
                anybody.get("/v1/me", headers={"Authorization": f"Bearer {key}x"}).text,
                anybody.get("/nothing?token=planted-query").text,
                http.post("/v1/conversions", json={"source": {"url": "http://10.0.0.1/?s=planted-query"}}).text,
                http.post("/v1/conversions", files={"file": ("a.mp4", b"no video")}).text,
                anybody.get(metrics_url).raise_for_status().text,
            ]
    return secrets, "".join(told)


def test_planted_secrets_are_found_nowhere(tmp_path: Path, mail_server: SMTPServer) -> None:
    """It should be so at the level that logs everything; the search finds one that was planted there."""
    port = free_port()
    env = {**SETTINGS, "VIDEO2MP3_LOG_LEVEL": "debug", "VIDEO2MP3_METRICS_PORT": str(port)}
    settings = env | {"VIDEO2MP3_REQUIRE_LOGIN": "true"}
    with embedded(tmp_path, mail_server, settings, is_cold=True) as service:  # its command line is looked into
        secrets, told = used(service, f"http://127.0.0.1:{port}/metrics")
        (process,) = [role.process for role in service.roles.values()]
        command = Path(f"/proc/{process.pid}/cmdline").read_text()
        doctor = run_text(["doctor"], service.env, tmp_path)
    everything = service.logs() + told + command + doctor.stdout + doctor.stderr
    assert "request" in service.logs()
    assert "video2mp3_" in told
    secrets |= {value for value in SETTINGS.values() if value.startswith("planted")}
    assert [secret for secret in secrets if secret in everything] == []
    planted = everything + SETTINGS["VIDEO2MP3_SMTP_PASSWORD"]
    assert [secret for secret in secrets if secret in planted] == [SETTINGS["VIDEO2MP3_SMTP_PASSWORD"]]


def test_urls_of_parts_that_do_not_answer_are_told_without_their_passwords(tmp_path: Path) -> None:
    for name, url in (
        ("DATABASE_URL", "mysql+pymysql://ada:planted-password@127.0.0.1:1/video2mp3"),
        ("QUEUE_URL", "amqp://ada:planted-password@127.0.0.1:1/"),
    ):
        env = base_env(tmp_path) | {f"VIDEO2MP3_{name}": url, "VIDEO2MP3_LOG_LEVEL": "debug"}
        failed = run_text(["migrate"], env, tmp_path)
        assert failed.returncode != 0
        assert name in failed.stderr
        assert "planted-password" not in failed.stdout + failed.stderr
