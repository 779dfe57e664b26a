"""A number at the edge of floating point ended the heartbeat's thread, and with it everybody's longer jobs."""

import threading
import time
from contextlib import suppress
from typing import Any

import httpx

from tests.abuse.conftest import StartService, guest
from tests.acceptance.service import Service, wait_for_end
from tests.servers import wait_until
from tests.worker.system import make_wav
from video2mp3.engine import Options, Progress, Report
from video2mp3.engine.parent import fields
from video2mp3.errors import Canceled
from video2mp3.jobs.housekeeping import loops
from video2mp3.jobs.lifecycle import states
from video2mp3.worker import job_runner, leases

TINY = 5e-324
LEASE_S = 2


def without_bounds() -> None:
    """Any number is taken; leases are short and conversions long, so that it shows soon whether leases are renewed."""
    Options.__dataclass_fields__["end_s"].metadata["json_schema_extra"]["minimum"] = 0
    states.LEASE_S = LEASE_S
    leases.HEARTBEAT_S, leases.PROGRESS_S, leases.LOST_AFTER_S = 0.2, 0.0, LEASE_S * 0.8
    loops.REAP_EVERY_S = 0.5
    convert = vars(job_runner)["convert"]

    def slowly(*arguments: Any, **named: Any) -> Report:
        told = named["on_progress"]
        # What is told at the end would hide what was told before it, until the heartbeat looks.
        named["on_progress"] = lambda progress: None if progress.is_finished else told(progress)
        report: Report = convert(*arguments, **named)
        ends_s = time.monotonic() + 2 * LEASE_S
        while time.monotonic() < ends_s:
            if named["should_stop"]():
                raise Canceled
            time.sleep(0.1)
        return report

    job_runner.convert = slowly  # type: ignore[attr-defined]


def without_guard() -> None:
    """Besides: tiny numbers stay as they are, and nothing guards the heartbeat's thread but what renews a lease."""
    without_bounds()
    fields._LEAST_S = 0.0
    percent = property(lambda progress: int(100 * progress.done_s / progress.total_s) if progress.total_s else 0)
    Progress.percent = percent  # type: ignore[assignment]

    def start(heartbeat: leases.Heartbeat) -> None:
        threading.Thread(target=_beat, args=(heartbeat,), daemon=True).start()

    leases.Heartbeat.start = start  # type: ignore[assignment]


def _beat(heartbeat: leases.Heartbeat) -> None:
    while True:
        for lease in tuple(heartbeat._leases):
            if lease.is_due():
                with suppress(Exception):
                    lease.renew(heartbeat._database)
        heartbeat._write_row()
        time.sleep(0.05)


def order(client: httpx.Client, **options: float) -> str:
    """Orders a conversion; returns its id."""
    upload = client.post("/v1/uploads", params={"name": "talk.wav"}, content=make_wav(1)).raise_for_status().json()
    answer = client.post("/v1/conversions", json={"upload_id": upload["id"], "options": options})
    return str(answer.raise_for_status().json()["id"])


def is_ready(service: Service) -> bool:
    return httpx.get(f"{service.url}/readyz").status_code == 200


def test_the_number_is_refused(whole_service: Service) -> None:
    """It should name the option, and leave the other user's conversions alone."""
    with guest(whole_service) as mallory, guest(whole_service) as bob:
        upload = mallory.post("/v1/uploads", params={"name": "a.wav"}, content=make_wav(1)).raise_for_status().json()
        body = {"upload_id": upload["id"], "options": {"end_s": TINY}}
        answer = mallory.post("/v1/conversions", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_option")
        assert wait_for_end(bob, order(bob))["state"] == "finished"


def test_heartbeats_go_on_whatever_the_number(start_service: StartService) -> None:
    """It should convert both users' files on leases that have to be renewed, though the number is taken."""
    with start_service(without_bounds, worker_slots=3) as service, service.user() as mallory, service.user() as bob:
        jobs = [(mallory, order(mallory, end_s=TINY)) for _ in range(2)] + [(bob, order(bob))]
        for client, job in jobs:
            assert wait_for_end(client, job)["state"] == "finished"
        assert is_ready(service)


def test_without_guard_the_other_user_s_job_is_lost_again_and_again(start_service: StartService) -> None:
    """The harm: his job never ends, and the service says that it is well."""
    with start_service(without_guard, worker_slots=3) as service, service.user() as mallory, service.user() as bob:
        for _ in range(2):
            order(mallory, end_s=TINY)
        wait_until(lambda: "OverflowError" in service.logs(), 30, "the end of the heartbeat's thread")
        job = order(bob)

        def losses() -> int:
            lines = service.logs().splitlines()
            return sum("job_stopped" in line and job in line and '"lost"' in line for line in lines)

        wait_until(lambda: losses() >= 2, 60, "the second loss")
        assert bob.get(f"/v1/conversions/{job}").json()["state"] in ("queued", "processing")
        assert is_ready(service)
