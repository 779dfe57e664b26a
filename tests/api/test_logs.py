"""Passwords and tokens reach no log, with the logging as it is set up for real and everything logged."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import StringIO

import httpx
import pytest
import structlog
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from tests.api.conftest import Serve
from tests.api.test_problems import BrokenDatabase
from tests.servers import wait_until
from video2mp3.accounts import sign_ins, users
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import User
from video2mp3.wiring import configure_logging

PASSWORD = "planted-password-of-ada"

# The first two are the test's own client, which logs the URLs that it asks for.
_LEVELS = {"httpx": logging.ERROR, "httpcore": logging.ERROR, "uvicorn.error": logging.DEBUG}


@dataclass(frozen=True)
class Log:
    stream: StringIO
    capfd: pytest.CaptureFixture[str]

    def read(self) -> str:
        captured = self.capfd.readouterr()
        return self.stream.getvalue() + captured.out + captured.err


@pytest.fixture
def log(services: Services, capfd: pytest.CaptureFixture[str]) -> Iterator[Log]:
    """All that the service writes to its log, its output and its error output, from everything that logs."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in _LEVELS}
    configure_logging(services.settings.model_copy(update={"log_level": "debug", "log_format": "json"}))
    stream = StringIO()
    [handler] = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    structlog.configure(cache_logger_on_first_use=False)
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)
    yield Log(stream, capfd)
    root.handlers[:], root.level = before[0], before[1]
    structlog.configure(**before[2])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def flow(url: str, services: Services) -> list[str]:
    """Goes through all that takes or makes a secret, rightly and wrongly; returns the secrets."""
    ada = {"username": "ada", "password": PASSWORD}
    with services.database.write() as session:
        link = sign_ins.make_link(session, users.local_user(session))
    with httpx.Client(base_url=url, timeout=30) as client:
        client.post("/v1/accounts", json=ada)
        client.post("/v1/accounts", json=ada)
        client.post("/register", json=ada)
        client.post("/v1/accounts", json={"username": "eve", "password": [PASSWORD]})
        client.post("/v1/sessions", json={**ada, "more": PASSWORD})
        client.post("/v1/sessions", json={**ada, "username": "nobody"})
        client.post("/v1/sessions", content=PASSWORD.encode(), headers={"Content-Type": "application/json"})
        tokens = client.post("/v1/sessions", json=ada).json()
        access, refresh = tokens["access_token"], tokens["refresh_token"]
        basic = client.post("/login", auth=("ada", PASSWORD)).json()
        client.post("/login", auth=("nobody", PASSWORD))
        for token in (access, f'"{basic}"', f"{access}x", refresh):
            client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
            client.get("/nothing", headers={"Authorization": f"Bearer {token}"}, params={"token": token})
        fresh = client.post("/v1/sessions/refresh", json={"refresh_token": refresh}).json()
        client.post("/v1/sessions/refresh", json={"refresh_token": refresh})
        client.request("DELETE", "/v1/sessions", json={"refresh_token": fresh["refresh_token"]})
        for _ in range(2):
            client.get("/sign-in", params={"token": link})
        client.post("/v1/sessions?cookie=true", json=ada)
        (cookie,) = client.cookies.values()
        client.get("/v1/me")
    return [PASSWORD, access, basic, refresh, fresh["access_token"], fresh["refresh_token"], link, cookie]


def test_no_password_and_no_token_reaches_the_log(services: Services, serve: Serve, log: Log) -> None:
    secrets = flow(serve(services), services)
    # The last line comes after its response.
    wait_until(lambda: log.stream.getvalue().count('"event": "request"') >= 25, 15, "a line for each request")
    written = log.read()
    assert not [secret for secret in secrets if secret in written]


def test_a_fault_in_the_middle_logs_its_traceback_without_the_password(
    services: Services, serve: Serve, log: Log
) -> None:
    broken = replace(services, database=BrokenDatabase(services.settings.effective_database_url))
    url = serve(broken)
    ada = {"username": "ada", "password": PASSWORD}
    for path in ("/v1/accounts", "/v1/sessions", "/register"):
        assert httpx.post(url + path, json=ada).status_code == 500
    assert httpx.post(f"{url}/login", auth=("ada", PASSWORD)).status_code == 500
    assert httpx.get(f"{url}/v1/me", headers={"Authorization": "Bearer planted-token"}).status_code == 500
    written = log.read()
    assert written.count("planted-fault") >= 5  # the tracebacks are there
    assert PASSWORD not in written
    assert "planted-token" not in written


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "x"])
def test_a_protocol_that_is_not_spoken_is_no_matter_for_the_log(
    services: Services, serve: Serve, log: Log, protocol: str
) -> None:
    """It should log the request alone: no advice to install a library, with which any client could fill the log."""
    upgrade = {"Connection": "Upgrade", "Upgrade": protocol}
    assert httpx.get(f"{serve(services)}/livez", headers=upgrade).status_code == 200
    logging.getLogger("uvicorn.error").warning("Something else.")
    assert [json.loads(line)["event"] for line in log.read().splitlines() if "warning" in line] == ["Something else."]


def test_an_error_of_the_database_tells_no_values(services: Services) -> None:
    with pytest.raises(IntegrityError) as failed, services.database.write() as session:
        session.execute(insert(User).values(id="1", username="planted-name"))
    assert "NOT NULL" in str(failed.value)
    assert "planted-name" not in str(failed.value)


def test_a_planted_secret_is_found_in_the_log(services: Services, log: Log) -> None:
    structlog.get_logger().info("planted", password=PASSWORD)
    logging.getLogger("uvicorn.error").debug("planted-token")
    written = log.read()
    assert PASSWORD in written
    assert "planted-token" in written
