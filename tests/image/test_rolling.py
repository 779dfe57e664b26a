"""A rolling update, as Kubernetes does it, with containers: everything is replaced under load, and nobody notices."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import notifications_to, wait_for_end
from tests.image.compose import Compose, ComposeService, composed
from tests.image.conftest import NEXT_IMAGE, OPT_IN
from tests.image.engine import Docker
from tests.image.load import ADDRESS, Load
from tests.media import make_video
from tests.servers import wait_until

pytestmark = OPT_IN

# So late every node has heard that a pod ends; preStop (10 s in our manifests) is longer.
HEARD_S = 2.0
PRE_STOP_S = 4.0


@pytest.fixture(scope="module")
def service(docker: Docker) -> Iterator[ComposeService]:
    folder = docker.work / "rolling"
    folder.mkdir()
    with composed(docker, folder) as service:
        yield service


def start_next(compose: Compose, role: str) -> str:
    """Starts a container of the next version beside the old one; returns its name when it is well."""
    name = f"next-{role}"
    compose.run("run", "--detach", "--no-deps", "--name", name, role, image=NEXT_IMAGE)

    def is_well() -> bool:
        health: str = compose.docker.inspect(name)["State"]["Health"]["Status"]
        return health == "healthy"

    wait_until(is_well, 120, f"{name} to be well")
    return name


def test_everything_is_replaced_and_nothing_fails(service: ComposeService, tmp_path: Path) -> None:
    """It should answer every request and finish every job, once, while api, worker and notifier are replaced."""
    compose = service.compose
    assert compose
    docker = compose.docker
    video = make_video(tmp_path / "talk.mp4", 20).read_bytes()
    long_video = make_video(tmp_path / "long.mp4", 900).read_bytes()
    with Load(service, [f"http://{docker.address('video2mp3-api-1')}:8000"], video) as load:
        wait_until(lambda: len(load.jobs) >= 5, 60, "the load to begin")

        load.urls.append(f"http://{docker.address(start_next(compose, 'api'))}:8000")
        time.sleep(HEARD_S)
        load.urls.pop(0)
        time.sleep(PRE_STOP_S - HEARD_S)
        compose.run("stop", "api")

        start_next(compose, "worker")
        # One that is at work when it is told to end.
        with httpx.Client(base_url=load.urls[0], headers=load.headers, timeout=60) as client:
            answer = client.post("/v1/conversions", files={"file": ("long.mp4", long_video)}).raise_for_status()
            load.jobs.append(answer.json()["id"])
        compose.run("stop", "worker")

        start_next(compose, "notifier")
        compose.run("stop", "notifier")
        before = len(load.jobs)
        wait_until(lambda: len(load.jobs) >= before + 5, 60, "the load to go on")

    with httpx.Client(base_url=load.urls[0], headers=load.headers, timeout=60) as client:
        states = Counter(str(wait_for_end(client, job, 300)["state"]) for job in load.jobs)
    print(f"\n{load.requests} requests, {len(load.failures)} failed; {len(load.jobs)} jobs: {dict(states)}")
    assert load.failures == []
    assert states == {"finished": len(load.jobs)}
    wait_until(lambda: len(notifications_to(service, ADDRESS)) >= len(load.jobs), 300, "the mails")
    assert len(notifications_to(service, ADDRESS)) == len(load.jobs)
    ended = {docker.inspect(f"video2mp3-{role}-1")["State"]["ExitCode"] for role in ("api", "worker", "notifier")}
    assert ended == {0}
