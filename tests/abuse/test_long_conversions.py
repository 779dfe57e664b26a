"""One user's long conversions fill all slots: another user's short clip should not wait for one of them to end."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.abuse.conftest import StartService
from tests.acceptance.service import Service, wait_for_end
from tests.engine.converting import make
from tests.processes import go_on, stop_engines
from tests.worker.system import make_wav
from video2mp3.worker.loop import WorkerConfig, WorkerLoop

HOURS = 1.0 if os.environ.get("TESTS_ABUSE") else 0.3


def without_spare_slot() -> None:
    """As many slots as are set, for everybody."""
    whole = WorkerLoop.__init__

    def init(self: WorkerLoop, database: Any, queue: Any, storage: Any, config: WorkerConfig, wake: Any) -> None:
        whole(self, database, queue, storage, replace(config, spare_slot=False), wake)

    WorkerLoop.__init__ = init  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file that takes a while to convert."""
    sound = ("-f", "lavfi", "-i", f"sine=duration={HOURS * 3600:.0f}:sample_rate=8000", "-ac", "1")
    return make(tmp_path_factory.mktemp("long") / "long.wav", *sound, "-c:a", "adpcm_ima_wav")


def states_when_the_clip_is_done(service: Service, long: Path, *, one_goes_on: bool = False) -> list[str]:
    """Fills both slots with one user's files; returns their states in the moment in which another's clip is done.

    The two conversions are stopped (SIGSTOP), so that neither ends early on a quick machine; one may go on when the
    clip is there.
    """
    with service.user() as greedy, service.user() as other:
        upload_id = greedy.post("/v1/uploads", content=long.read_bytes()).raise_for_status().json()["id"]
        jobs = [convert(greedy, upload_id) for _ in range(3)]
        stopped = stop_engines(service.roles["serve"].process.pid, 2)
        clip = other.post("/v1/uploads", content=make_wav(2)).raise_for_status().json()["id"]
        job_id = convert(other, clip)
        if one_goes_on:
            go_on(stopped[0])
        done = wait_for_end(other, job_id, 250)
        found = states(greedy, jobs)
        assert done["state"] == "finished"
        return found


def convert(user: httpx.Client, upload_id: str) -> str:
    job_id: str = user.post("/v1/conversions", json={"upload_id": upload_id}).raise_for_status().json()["id"]
    return job_id


def states(user: httpx.Client, jobs: list[str]) -> list[str]:
    return [user.get(f"/v1/conversions/{job_id}").json()["state"] for job_id in jobs]


def test_the_clip_does_not_wait_for_a_long_conversion(start_service: StartService, long: Path) -> None:
    with start_service(worker_slots=2, drain_grace_s=1) as service:
        assert states_when_the_clip_is_done(service, long).count("processing") == 2


def test_control_without_the_spare_slot_it_waits(start_service: StartService, long: Path) -> None:
    with start_service(without_spare_slot, worker_slots=2, drain_grace_s=1) as service:
        assert "finished" in states_when_the_clip_is_done(service, long, one_goes_on=True)
