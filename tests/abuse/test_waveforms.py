"""60 requests for the waveform of one long MP3: it should be measured once, and hold up nobody else."""

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.abuse.conftest import StartService, guest
from tests.abuse.flood import STALL_S, flood, run_in_shared_pool, wait_for_stall, worst_for_me
from tests.acceptance.service import Service, wait_for_end
from tests.servers import require_program
from video2mp3 import engine
from video2mp3.api.conversions import waveforms
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job, Waveform
from video2mp3.jobs.waveforms import row

HOURS = 6 if os.environ.get("TESTS_ABUSE") else 1
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
    """Frames of a minute, again and again; without a bit reservoir each can follow any."""
    folder = tmp_path_factory.mktemp("long")
    command = [require_program("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", "sine=330:sample_rate=16000:duration=60"]
    command += ["-c:a", "libmp3lame", "-b:a", "16k", "-reservoir", "0", "-write_xing", "0", "-id3v2_version", "0"]
    subprocess.run([*command, str(folder / "minute.mp3")], check=True)
    path = folder / "long.mp3"
    path.write_bytes((folder / "minute.mp3").read_bytes() * (60 * HOURS))
    return path


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


def test_in_the_shared_pool_everybody_waits(start_service: StartService, long_mp3: Path) -> None:
    with (
        start_service(without_executor, drain_grace_s=1) as service,
        service.user() as ada,
        service.user() as bob,
    ):
        path = f"/v1/conversions/{copied(ada, long_mp3)}/waveform"
        with flood(ada, "GET", path, [b""] * REQUESTS):
            wait_for_stall(bob)
            service.roles["serve"].kill()  # its threads are busy for minutes
