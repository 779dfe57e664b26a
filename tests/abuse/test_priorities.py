"""One user's parallel `PUT /v1/mp3` requests do not hold up another user's short clip."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.abuse.conftest import StartService
from tests.acceptance.service import Service
from tests.engine.converting import make
from tests.processes import go_on, stop_engines
from tests.servers import wait_until
from tests.worker.system import make_wav
from video2mp3.api.conversions import one_call as mp3
from video2mp3.api.conversions.requests import job_spec
from video2mp3.database.tables import Job
from video2mp3.jobs import fair_queueing

ENDED = ("finished", "failed", "canceled")
LONG_S = 30


def without_fair_queueing() -> None:
    """All that comes by PUT is `high`, and of one priority the first that came is the next, whoever sent it."""

    def first_come(session: Session) -> str | None:
        queued = select(Job.id).where(Job.state == "queued").order_by(Job.priority, Job.id)
        return session.scalar(queued.limit(1))

    fair_queueing.next_job = first_come
    vars(fair_queueing)["next_job_of_newcomer"] = lambda _: None
    vars(mp3)["job_spec"] = lambda *arguments: replace(job_spec(*arguments), priority=0)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small file that takes a while to convert."""
    sound = ("-f", "lavfi", "-i", f"sine=duration={LONG_S}:sample_rate=48000", "-ac", "2")
    path = tmp_path_factory.mktemp("long") / "long.m4a"
    return make(path, *sound, "-c:a", "aac", "-b:a", "24k", "-movflags", "+faststart").read_bytes()


def left_when_the_clip_is_done(service: Service, long: bytes, puts: int) -> int:
    """How many of one user's PUTs have not ended when another user's clip, which came after all of them, has."""
    with service.user() as attacker, service.user() as other, ThreadPoolExecutor(puts) as pool:
        for number in range(puts):
            pool.submit(partial(attacker.put, "/v1/mp3", params={"name": f"{number}.m4a"}, content=long, timeout=600))
        # None ends before all are there.
        stopped = stop_engines(service.roles["serve"].process.pid, 2)
        wait_until(lambda: len(jobs_of(attacker)) == puts, 60, "all of one user's files")
        for pid in stopped:
            go_on(pid)
        other.put("/v1/mp3", params={"name": "clip.wav"}, content=make_wav(2), timeout=600).raise_for_status()
        left = unended(attacker)
        for job in left:
            attacker.delete(job["links"]["self"])
        return len(left)


def jobs_of(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (
        client.get("/v1/conversions", params={"limit": 100}).raise_for_status().json()["items"]
    )
    return items


def unended(client: httpx.Client) -> list[dict[str, Any]]:
    return [job for job in jobs_of(client) if job["state"] not in ENDED]


def test_a_clip_is_done_before_most_of_thirty_files_ahead_of_it(start_service: StartService, long: bytes) -> None:
    with start_service(worker_slots=2) as service:
        assert left_when_the_clip_is_done(service, long, 30) > 15


def test_without_fair_queueing_the_clip_is_the_last(start_service: StartService, long: bytes) -> None:
    with start_service(without_fair_queueing, worker_slots=2) as service:
        # One may still be at work in the other slot.
        assert left_when_the_clip_is_done(service, long, 6) <= 1
