import gc
import logging
import threading
import time
from dataclasses import replace

import httpx
import pytest
import structlog

from tests.api.conftest import Serve
from tests.servers import wait_until
from video2mp3.api.frame import health
from video2mp3.api.frame.services import Services
from video2mp3.database.connection import Database
from video2mp3.errors import QueueUnavailable
from video2mp3.queue.memory import MemoryQueue


class BrokenQueue(MemoryQueue):
    def check(self) -> None:
        raise QueueUnavailable("No broker at amqp://guest:planted-password@broker.")


class SilentQueue(MemoryQueue):
    """A broker that takes the connection and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.checks = 0
        self.answer = threading.Event()

    def check(self) -> None:
        self.checks += 1
        self.answer.wait(60)


def test_a_service_with_all_its_dependencies_is_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.status_code == 200
    dependencies = {"database": "ok", "queue": "ok", "storage": "ok"}
    assert ready.json() == {"status": "ok", "dependencies": dependencies, "stalled_loops": []}


def test_a_missing_queue_is_named_without_its_secrets_and_no_reason_to_send_nothing(
    services: Services, serve: Serve
) -> None:
    """It should stay ready, as jobs are accepted without the queue."""
    url = serve(replace(services, queue=BrokenQueue()))
    ready = httpx.get(f"{url}/readyz")
    assert ready.status_code == 200
    assert ready.json()["dependencies"] == {"database": "ok", "queue": "unavailable", "storage": "ok"}
    assert "planted-password" not in ready.text


def test_a_missing_dependency_is_a_line_in_the_log_and_no_traceback(
    services: Services, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    url = serve(replace(services, queue=BrokenQueue()))
    with structlog.testing.capture_logs() as logged:
        assert httpx.get(f"{url}/readyz").json()["dependencies"]["queue"] == "unavailable"
        gc.collect()
    assert [line["dependency"] for line in logged if line["event"] == "not_ready"] == ["queue"]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_probes_that_succeed_log_no_line_at_level_info(services: Services, serve: Serve) -> None:
    """It should log them at level debug, and other requests at level info."""
    url = serve(services)
    with structlog.testing.capture_logs() as logged:
        for path in ("/livez", "/readyz", "/openapi.json"):
            assert httpx.get(f"{url}{path}").status_code == 200
        wait_until(lambda: sum(line["event"] == "request" for line in logged) == 3, 10, "a line for each request")
    levels = {line["path"]: line["log_level"] for line in logged if line["event"] == "request"}
    assert levels == {"/livez": "debug", "/readyz": "debug", "/openapi.json": "info"}


def test_a_database_without_an_answer_is_named(services: Services, serve: Serve) -> None:
    gone = Database("mysql+pymysql://nobody:nothing@127.0.0.1:1/none")
    url = serve(replace(services, database=gone))
    ready = httpx.get(f"{url}/readyz", timeout=30)
    assert (ready.status_code, ready.json()["dependencies"]["database"]) == (503, "unavailable")
    assert httpx.get(f"{url}/livez").status_code == 200


def test_a_dependency_that_hangs_is_reported_asked_once_and_back_when_it_answers(
    services: Services, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_DEADLINE_S", 0.5)
    queue = SilentQueue()
    url = serve(replace(services, queue=queue))
    try:
        assert httpx.get(f"{url}/readyz", timeout=30).json()["dependencies"]["queue"] == "unavailable"
        assert httpx.get(f"{url}/livez").status_code == 200
        # Until an answer is not from memory: it took its time.
        while httpx.get(f"{url}/readyz", timeout=30).elapsed.total_seconds() < 0.4:
            time.sleep(0.1)
        assert queue.checks == 1
    finally:
        queue.answer.set()
    while httpx.get(f"{url}/readyz", timeout=30).json()["dependencies"]["queue"] != "ok":
        time.sleep(0.1)
