"""Many probes of one account at the same time: they should wait in its own queue, or be refused at once."""

import json
import os
from pathlib import Path

import pytest

from tests.abuse.conftest import StartService
from tests.abuse.flood import STALL_S, flood, run_in_shared_pool, wait_for_stall, worst_for_me
from tests.engine.sounds import write_wav
from tests.processes import stop_engines

REQUESTS = 500
ANSWERED = REQUESTS if os.environ.get("TESTS_ABUSE") else 60
"""Of which all answers are waited for: to compute 500 takes half a minute."""


def without_executor() -> None:
    """Every probe waits in a thread of the shared pool."""
    run_in_shared_pool()


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    return write_wav(tmp_path / "a.wav", 88_200, 2).read_bytes()


def probes_of(upload_id: str) -> list[bytes]:
    """Requests of which no two are equal: those would share one probe."""
    options = ({"start_s": number / 1000} for number in range(REQUESTS))
    return [json.dumps({"upload_id": upload_id, "options": one}).encode() for one in options]


def test_another_user_is_not_held_up(start_service: StartService, sound: bytes) -> None:
    with start_service(probes_per_minute=0) as service, service.user() as ada, service.user() as bob:
        bodies = probes_of(ada.post("/v1/uploads", content=sound).json()["id"])
        his = {"upload_id": bob.post("/v1/uploads", content=sound).json()["id"]}
        with flood(ada, "POST", "/v1/probe", bodies[:ANSWERED]) as requests:
            assert bob.post("/v1/probe", json=his).status_code == 200
            assert worst_for_me(bob) < STALL_S
            heads = requests.heads(120)
        # How many are refused depends on how fast they come to the executor: a caller's requests are begun one by one.
        assert {int(head.split()[1]) for head in heads} <= {200, 429}
        assert all("retry-after:" in head.lower() for head in heads if " 429 " in head.splitlines()[0])


def test_in_the_shared_pool_everybody_waits(start_service: StartService, sound: bytes) -> None:
    with (
        start_service(without_executor, drain_grace_s=1, probes_per_minute=0) as service,
        service.user() as ada,
        service.user() as bob,
    ):
        bodies = probes_of(ada.post("/v1/uploads", content=sound).json()["id"])
        with flood(ada, "POST", "/v1/probe", bodies):
            stop_engines(service.roles["serve"].process.pid, 2)
            wait_for_stall(bob)
            service.roles["serve"].kill()
