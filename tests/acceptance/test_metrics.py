"""Metrics of a running service, on their own port, and what its log has while no traces are sent."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.service import Role, Service, base_env, embedded, migrate, notifications_to, wait_for_end
from tests.acceptance.test_traces import TRACE_ID, check_lines, convert
from tests.servers import SMTPServer, free_port, wait_until

Labels = dict[str, str]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, mail_server: SMTPServer) -> Iterator[tuple[Service, str]]:
    """An embedded service, and where its metrics are."""
    port = free_port()
    with embedded(tmp_path_factory.mktemp("measured"), mail_server, {"VIDEO2MP3_METRICS_PORT": str(port)}) as service:
        yield service, f"http://127.0.0.1:{port}/metrics"


def scrape(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """All samples: name and labels to value."""
    text = httpx.get(url, timeout=30).raise_for_status().text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(url: str, name: str, **labels: str) -> float:
    """One sample; 0 where there is none."""
    return scrape(url).get((f"video2mp3_{name}", frozenset(labels.items())), 0.0)


def test_what_was_done_is_counted(measured: tuple[Service, str], talk: Path) -> None:
    """It should count requests by their route, jobs by their outcome, and what went in and out of conversions."""
    service, url = measured
    with service.user(email="metrics@example.org") as ada:
        request_id, job_id = convert(ada, talk)
        bad = ada.post("/v1/uploads?name=x.mp4", content=b"not a video" * 100).json()["id"]
        failed = ada.post("/v1/conversions", json={"upload_id": bad}).raise_for_status().json()["id"]
        assert wait_for_end(ada, failed)["state"] == "failed"
        mp3 = ada.get(f"/v1/conversions/{job_id}/mp3").raise_for_status().content
        assert ada.head(f"/v1/conversions/{job_id}").status_code == 200
        for path in ("/planted-path", "/v1/conversions/planted-id"):
            assert ada.get(path).status_code >= 400
        wait_until(lambda: notifications_to(service, "metrics@example.org"), 30, "the email")
        wait_until(lambda: value(url, "notifications_total", outcome="sent") == 2, 30, "both notifications")
    assert value(url, "jobs_ended_total", state="finished", code="") == 1
    assert value(url, "jobs_ended_total", state="failed", code="unsupported_format") == 1
    assert value(url, "jobs_submitted_total", priority="normal") == 2
    assert value(url, "job_wait_seconds_count", priority="normal") == 2
    for stage in ("take", "convert", "open"):
        assert value(url, "stage_duration_seconds_count", stage=stage) == 2, stage
    for stage in ("transcode", "check", "decode", "encode", "store", "finish"):
        assert value(url, "stage_duration_seconds_count", stage=stage) == 1, stage
    assert 29.9 < value(url, "audio_seconds_total") < 30.1
    assert value(url, "source_bytes_total") == talk.stat().st_size
    assert value(url, "result_bytes_total") == len(mp3)
    assert value(url, "http_received_bytes_total") > talk.stat().st_size
    assert value(url, "http_sent_bytes_total") > len(mp3)
    route = {"route": "/v1/conversions/{conversion_id}"}
    assert value(url, "http_requests_total", method="HEAD", status="2xx", **route) == 1
    assert value(url, "http_request_duration_seconds_count", method="HEAD", **route) == 1
    assert value(url, "http_requests_total", method="POST", route="/v1/conversions", status="2xx") == 2
    # Nothing that was asked for is in a label.
    assert value(url, "http_requests_total", method="GET", route="none", status="4xx") == 1
    assert "planted" not in httpx.get(url).text
    # And the log leads from the request to the engine and the email.
    check_lines(service, request_id, job_id)
    assert TRACE_ID not in httpx.get(url).text


def test_the_state_of_the_service_is_read_when_it_is_asked(measured: tuple[Service, str]) -> None:
    service, url = measured
    httpx.get(f"{service.url}/readyz").raise_for_status()
    found = scrape(url)
    for name in ("database", "queue", "storage"):
        assert found["video2mp3_dependency_ready", frozenset({("dependency", name)})] == 1
    plain: Labels = {name: "" for name, labels in found if not labels}
    assert {"video2mp3_open_slots", "video2mp3_oldest_due_job_seconds", "video2mp3_disk_free_bytes"} <= set(plain)
    assert found["video2mp3_database_up", frozenset()] == 1
    assert found["video2mp3_unsandboxed", frozenset()] == 0
    assert found["video2mp3_open_slots", frozenset()] == found["video2mp3_worker_slots", frozenset()] > 0
    assert found["video2mp3_database_connections_max", frozenset()] == 30
    assert found["process_resident_memory_bytes", frozenset()] > 10**7
    (role,) = [dict(labels)["role"] for name, labels in found if name == "video2mp3_info"]
    assert role == "serve"


def test_metrics_are_on_their_own_port_alone(measured: tuple[Service, str]) -> None:
    service, _ = measured
    assert httpx.get(f"{service.url}/metrics").status_code == 404


def test_a_port_that_is_taken_is_one_clear_sentence(measured: tuple[Service, str], tmp_path: Path) -> None:
    _, url = measured
    env = base_env(tmp_path) | {"VIDEO2MP3_METRICS_PORT": str(httpx.URL(url).port)}
    migrate(env)
    second = Role(tmp_path, "second", ["notifier"], env | {"VIDEO2MP3_QUEUE_URL": "memory://"})
    assert second.process.wait(60) != 0
    (line,) = second.log.read_text().splitlines()
    assert "Cannot serve metrics on 127.0.0.1 port" in line
    assert "VIDEO2MP3_METRICS_PORT" in line
