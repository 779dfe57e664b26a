"""What one file finds out about addresses is worth nothing to a later one, and nobody else's work notices why."""

import sys
from pathlib import Path

import httpx
import pytest

from tests.abuse.conftest import StartService
from tests.acceptance.service import Service, wait_for_end
from tests.processes import children_of
from tests.servers import wait_until
from tests.worker.system import make_wav
from video2mp3.engine.parent import zygote_client

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
JOBS = 8


def soon() -> None:
    """Renewals come after a few jobs."""
    zygote_client.RENEW_AFTER = 3


def without_renewal() -> None:
    """One zygote serves all jobs."""
    zygote_client.RENEW_AFTER = 10**9


def layouts(service: Service) -> set[str]:
    """Where the C library is in the zygotes, and so in all that they fork."""
    found: set[str] = set()
    for pid in children_of(service.roles["serve"].process.pid):
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        found.update(line.split("-")[0] for line in lines if "/libc.so" in line or "/libc-" in line if " r--p " in line)
    return found


def probe(client: httpx.Client, upload_id: str) -> None:
    client.post("/v1/probe", json={"upload_id": upload_id}).raise_for_status()


def upload(client: httpx.Client) -> str:
    answer = client.post("/v1/uploads", params={"name": "a.wav"}, content=make_wav(1))
    return str(answer.raise_for_status().json()["id"])


def test_addresses_change_while_others_convert(start_service: StartService) -> None:
    """It should replace the zygote under one user's jobs; another's conversion should not notice."""
    with start_service(soon) as service, service.user() as mallory, service.user() as bob:
        file = upload(mallory)
        probe(mallory, file)
        before = layouts(service)
        job = bob.post("/v1/conversions", json={"upload_id": upload(bob)}).raise_for_status().json()["id"]

        def is_replaced() -> bool:
            probe(mallory, file)
            return not layouts(service) & before

        wait_until(is_replaced, 30, "another layout")
        assert wait_for_end(bob, job)["state"] == "finished"


def test_without_renewal_addresses_stay(start_service: StartService) -> None:
    """The harm: what the first file finds out holds for all after it."""
    with start_service(without_renewal) as service, service.user() as mallory:
        file = upload(mallory)
        probe(mallory, file)
        before = layouts(service)
        for _ in range(JOBS):
            probe(mallory, file)
        assert layouts(service) == before
