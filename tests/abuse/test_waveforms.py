"""60 requests for the waveform of one long MP3: it should be measured once, and hold up nobody else."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.abuse.conftest import StartService, guest
from tests.abuse.flood import STALL_S, flood, run_in_shared_pool, wait_for_stall, worst_for_me
from tests.abuse.long_mp3 import make_long_mp3
from tests.acceptance.service import Service, wait_for_end
from tests.processes import go_on, stop_engines
from video2mp3 import engine
from video2mp3.api.conversions import waveforms
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job, Waveform
from video2mp3.jobs.waveforms import row

HOURS = 6.0 if os.environ.get("TESTS_ABUSE") else 0.2
REQUESTS = 60


def without_executor() -> None:
    """Each request measures for itself, and waits in a thread of the shared pool."""
    run_in_shared_pool()

    def measure(services: Services, job: Job, segment: int | None) -> Waveform:
        mp3 = waveforms._Mp3(waveforms._download(services, job, segment))
        return row(job.id, segment or 0, engine.waveform(mp3, limits=waveforms._LIMITS))

    waveforms._measure = measure


@pytest.fixture(scope="module")
def long_mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_long_mp3(tmp_path_factory.mktemp("long") / "long.mp3", round(60 * HOURS))


def copied(user: httpx.Client, mp3: Path) -> str:
    """The id of a finished conversion that took the MP3 over as it is: nothing was encoded, so no peaks were made."""
    upload_id = user.post("/v1/uploads", content=mp3.read_bytes()).raise_for_status().json()["id"]
    order = {"upload_id": upload_id, "options": {"copy": True}}
    job_id: str = user.post("/v1/conversions", json=order).raise_for_status().json()["id"]
    assert wait_for_end(user, job_id)["state"] == "finished"
    return job_id


def test_another_user_is_not_held_up(whole_service: Service, long_mp3: Path) -> None:
    with guest(whole_service) as ada, guest(whole_service) as bob:
        path = f"/v1/conversions/{copied(ada, long_mp3)}/waveform"
        with flood(ada, "GET", path, [b""] * REQUESTS) as requests:
            assert worst_for_me(bob) < STALL_S
            assert set(requests.statuses(60)) == {200}
        assert ada.get(path).json()["duration_s"] == pytest.approx(HOURS * 3600, rel=0.01)


def test_visitors_of_a_link_do_not_hold_up_the_owner(whole_service: Service, long_mp3: Path) -> None:
    """It should measure the owner's waveforms, also of the same MP3, while a visitor's is measured without end."""
    with guest(whole_service) as ada:
        shared, own = copied(ada, long_mp3), copied(ada, long_mp3.with_name("minute.mp3"))
        link = ada.post(f"/v1/conversions/{shared}/links", json={}).raise_for_status().json()["url"]
        path = urlsplit(link).path.removesuffix("mp3") + "waveform"
        with flood(ada, "GET", path, [b""]) as visits:
            stopped = stop_engines(whole_service.roles["serve"].process.pid, 1)
            for job_id in (own, shared):
                ada.get(f"/v1/conversions/{job_id}/waveform", timeout=15).raise_for_status()
            go_on(*stopped)
            assert visits.statuses(60) == [200]


def test_in_the_shared_pool_everybody_waits(start_service: StartService, long_mp3: Path) -> None:
    with (
        start_service(without_executor, drain_grace_s=1) as service,
        service.user() as ada,
        service.user() as bob,
    ):
        path = f"/v1/conversions/{copied(ada, long_mp3)}/waveform"
        with flood(ada, "GET", path, [b""] * REQUESTS):
            stop_engines(service.roles["serve"].process.pid, 2)
            wait_for_stall(bob)
            service.roles["serve"].kill()
