"""A broker and a database that are away: no request fails, and no container starts twice."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import wait_for_end
from tests.image.compose import ComposeService, composed
from tests.image.conftest import OPT_IN
from tests.image.engine import Docker
from tests.image.load import Load
from tests.media import make_video
from tests.servers import wait_until

pytestmark = OPT_IN

BROKER_AWAY_S = 60.0
DATABASE_AWAY_S = 30.0
ROLES = ("api", "worker", "notifier")
# Runs the check as a probe does, and prints the processor time that it took.
_MEASURED = """
import resource, subprocess, sys
subprocess.run(["video2mp3", "health", sys.argv[1]], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"cpu_s={used.ru_utime + used.ru_stime:.3f}")
"""


@pytest.fixture(scope="module")
def service(docker: Docker) -> Iterator[ComposeService]:
    folder = docker.work / "outages"
    folder.mkdir()
    with composed(docker, folder) as service:
        yield service


def test_a_health_check_takes_little_of_a_busy_node(service: ComposeService) -> None:
    """It should take a second of processor time at most."""
    assert service.compose
    for role in ROLES:
        printed = service.compose.run("exec", "--no-TTY", role, "python3", "-c", _MEASURED, role)
        cpu_s = float(printed.split("cpu_s=")[1].split()[0])
        print(f"\nhealth {role}: {cpu_s:.2f} s of processor time")
        assert cpu_s <= 1.0


def test_no_request_fails_while_the_broker_is_away(service: ComposeService, tmp_path: Path) -> None:
    """It should stay ready, take jobs, and finish all of them when the broker is back."""
    compose = service.compose
    assert compose
    url = f"http://{compose.docker.address('video2mp3-api-1')}:8000"
    with Load(service, [url], make_video(tmp_path / "talk.mp4", 5).read_bytes()) as load:
        wait_until(lambda: len(load.jobs) >= 3, 60, "the load to begin")
        compose.run("stop", "rabbitmq")
        gone_s, before = time.monotonic(), len(load.jobs)
        unready = 0
        while time.monotonic() - gone_s < BROKER_AWAY_S:
            unready += httpx.get(f"{url}/readyz", timeout=30).status_code != 200
            time.sleep(1)
        taken = len(load.jobs) - before
        compose.run("start", "rabbitmq")
    with httpx.Client(base_url=url, headers=load.headers, timeout=60) as client:
        states = Counter(str(wait_for_end(client, job, 300)["state"]) for job in load.jobs)
    print(
        f"\nbroker away for {BROKER_AWAY_S:.0f} s: {load.requests} requests, {len(load.failures)} failed, {taken} jobs"
    )
    assert load.failures == []
    assert unready == 0
    assert taken > 0
    assert states == {"finished": len(load.jobs)}


def test_roles_that_start_before_the_database_start_once(service: ComposeService) -> None:
    """It should wait for it, say so, and be well when it is there."""
    compose = service.compose
    assert compose
    docker = compose.docker
    names = {role: f"video2mp3-{role}-1" for role in ROLES}
    compose.run("stop", *ROLES, "mysql")
    began = datetime.now(UTC).isoformat()
    try:
        # Not by Compose, which would start the database first.
        docker.run("start", *names.values())
        time.sleep(DATABASE_AWAY_S)
        running = {role: docker.inspect(name)["State"]["Running"] for role, name in names.items()}
        assert running == dict.fromkeys(ROLES, True)
    finally:
        compose.run("start", "mysql")
    restarts = {}
    for role, name in names.items():

        def is_well(name: str = name) -> bool:
            health: str = docker.inspect(name)["State"]["Health"]["Status"]
            return health == "healthy"

        wait_until(is_well, 180, f"{role} to be well")
        assert docker.inspect(name)["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        restarts[role] = docker.inspect(name)["RestartCount"]
        assert "waiting_at_start" in docker.run("logs", "--since", began, name)
    print(f"\ndatabase away for {DATABASE_AWAY_S:.0f} s at start: restarts {restarts}")
    assert restarts == dict.fromkeys(ROLES, 0)
