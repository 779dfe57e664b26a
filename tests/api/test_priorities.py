from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, VIDEO, convert, fail, stored, upload
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job, User
from video2mp3.errors import NoAudio
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.queue.memory import MemoryQueue


def order(user: SignedIn, **fields: Any) -> httpx.Response:
    return user.http.post("/v1/conversions", json={"upload_id": upload(user.http), **fields})


def make_admin(services: Services, user: SignedIn) -> None:
    with services.database.write() as session:
        session.execute(update(User).where(User.id == user.user_id).values(role="admin"))


@pytest.mark.parametrize("priority", ["low", "normal"])
def test_users_choose_low_or_normal(ada: SignedIn, priority: str) -> None:
    assert order(ada, priority=priority).json()["priority"] == priority
    form = ada.http.post("/v1/conversions", files={"file": ("t.mp4", VIDEO)}, data={"priority": priority})
    assert (form.status_code, form.json()["priority"], form.json()["options"]) == (
        202,
        priority,
        {"preset": "standard"},
    )


def test_high_is_for_administrators(ada: SignedIn, services: Services) -> None:
    """It should be refused before the file is stored."""
    files: list[tuple[str, Any]] = [("priority", (None, "high")), ("file", ("t.mp4", VIDEO))]
    form = ada.http.post("/v1/conversions", files=files)
    assert (form.status_code, form.json()["code"]) == (403, "forbidden")
    assert stored(services) == NOTHING
    refused = order(ada, priority="high")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    make_admin(services, ada)
    assert order(ada, priority="high").json()["priority"] == "high"


@pytest.mark.parametrize("priority", ["urgent", "0", "HIGH"])
def test_there_are_no_other_priorities(ada: SignedIn, services: Services, priority: str) -> None:
    assert order(ada, priority=priority).status_code == 422
    form = ada.http.post("/v1/conversions", files=[("priority", (None, priority)), ("file", ("t.mp4", VIDEO))])
    assert (form.status_code, form.json()["code"]) == (422, "invalid_request")
    assert stored(services)["jobs"] == 0


def test_the_priority_belongs_to_the_request_of_a_key(ada: SignedIn) -> None:
    upload_id = upload(ada.http)
    headers = {"Idempotency-Key": "k"}
    answers = [
        ada.http.post("/v1/conversions", json={"upload_id": upload_id, "priority": priority}, headers=headers)
        for priority in ("low", "low", "normal")
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 422]


def test_the_relay_takes_the_higher_priority_first(ada: SignedIn, services: Services) -> None:
    make_admin(services, ada)
    jobs = {priority: order(ada, priority=priority).json()["id"] for priority in ("low", "normal", "high")}
    queue = MemoryQueue()
    assert Relay(services.database, queue).announce_due() == 3
    consumer = queue.consumer("video")
    announced = []
    for _ in range(3):
        message = consumer.take(1)
        assert message
        announced.append(message.body.decode())
        message.ack()
    assert [next(p for p in jobs if jobs[p] in body) for body in announced] == ["high", "normal", "low"]


def test_a_retry_of_what_somebody_waited_for_is_normal(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    with services.database.write() as session:
        session.execute(update(Job).values(priority=0))
    fail(services, job_id, NoAudio())
    assert ada.http.post(f"/v1/conversions/{job_id}/retry").json()["priority"] == "normal"
