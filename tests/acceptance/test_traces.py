"""One trace from the request to the engine and to the email, over processes and servers."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.service import Service, distributed, notifications_to, wait_for_end
from tests.servers import MariaDBServer, RabbitMQServer, S3Server, SMTPServer, wait_until
from tests.telemetry.receiver import Received, Receiver, receiving

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01", "X-Request-Id": "one-request"}


def convert(client: httpx.Client, video: Path) -> tuple[str, str]:
    """Converts a video, as part of the trace; returns the ids of the request and of the job."""
    with video.open("rb") as file:
        answer = client.post("/v1/conversions", files={"file": file}, headers=HEADERS).raise_for_status()
    job_id = str(answer.json()["id"])
    assert wait_for_end(client, job_id)["state"] == "finished"
    return answer.headers["X-Request-Id"], job_id


def lines(service: Service, *, event: str, trace_id: str) -> list[dict[str, Any]]:
    """What all roles have logged of that event, within that trace."""
    found = []
    for role in service.roles.values():
        for line in role.log.read_text().splitlines():
            entry = json.loads(line) if line.startswith("{") else {}
            if entry.get("event") == event and entry.get("trace_id") == trace_id:
                found.append({**entry, "role": role.name})
    return found


def check_lines(service: Service, request_id: str, job_id: str) -> None:
    """One id should be in the line of the request, of the worker, of the engine and of the notifier."""
    for event in ("request", "job_submitted", "job_claimed", "engine_ended", "job_finished", "email_sent"):
        (entry,) = lines(service, event=event, trace_id=TRACE_ID)
        assert entry["request_id"] == request_id, event
        assert event == "request" or entry["job_id"] == job_id
    (engine,) = lines(service, event="engine_ended", trace_id=TRACE_ID)
    assert engine["outcome"] == "done"
    assert engine["transcode_s"] > 0
    assert engine["role"] in ("worker-1", "serve")


def check_spans(receiver: Receiver) -> None:
    """Every step should be there, with its parent, and inside it where it is a part of it."""
    parents = {
        "POST /v1/conversions": None,
        "publish video": "POST /v1/conversions",
        "process video": "publish video",
        **dict.fromkeys(("take", "convert", "store", "finish"), "process video"),
        **dict.fromkeys(("open", "transcode", "check"), "convert"),
        "publish mp3": "POST /v1/conversions",
        "process mp3": "publish mp3",
    }

    def arrived() -> dict[str, Received] | None:
        spans = receiver.of_trace(TRACE_ID)
        return spans if set(spans) >= set(parents) else None

    spans = wait_until(arrived, 30, "all spans")
    assert spans is not None
    assert set(spans) == set(parents)
    for name, parent in parents.items():
        assert spans[name].parent_id == (spans[parent].span_id if parent else "00f067aa0ba902b7"), name
    for part in ("take", "convert", "store", "finish"):
        assert spans["process video"].began_ns <= spans[part].began_ns <= spans[part].ended_ns
        assert spans[part].ended_ns <= spans["process video"].ended_ns
    services = [spans[name].service for name in ("POST /v1/conversions", "transcode", "process mp3")]
    assert services == ["video2mp3-api", "video2mp3-worker", "video2mp3-notifier"]


def test_one_trace_leads_from_the_request_to_the_engine_and_the_email(
    tmp_path: Path, mail_server: SMTPServer, mariadb: MariaDBServer, rabbitmq: RabbitMQServer, s3: S3Server, talk: Path
) -> None:
    with receiving() as receiver:
        env = {"VIDEO2MP3_TRACES_URL": receiver.url}
        servers = (mariadb, rabbitmq, s3)
        with distributed(tmp_path, mail_server, *servers, apis=1, workers=1, env=env) as service:
            with service.user(email="trace@example.org") as ada:
                request_id, job_id = convert(ada, talk)
            wait_until(lambda: notifications_to(service, "trace@example.org"), 30, "the email")
            check_spans(receiver)
            check_lines(service, request_id, job_id)
