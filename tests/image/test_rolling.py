"""A rolling update, as Kubernetes does it, with containers: everything is replaced under load, and nobody notices."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import PASSWORD, mails_to, wait_for_end
from tests.image.compose import Compose, ComposeService, composed
from tests.image.conftest import NEXT_IMAGE, OPT_IN
from tests.image.engine import Docker
from tests.media import make_video
from tests.servers import wait_until

pytestmark = OPT_IN

ADDRESS = "load@example.org"
CLIENTS = 3
# So late every node has heard that a pod ends; preStop (10 s in our manifests) is longer.
HEARD_S = 2.0
PRE_STOP_S = 4.0


@pytest.fixture(scope="module")
def service(docker: Docker) -> Iterator[ComposeService]:
    folder = docker.work / "rolling"
    folder.mkdir()
    with composed(docker, folder) as service:
        yield service


class Load:
    """Clients that submit, look and fetch all the time, each request at one of the replicas that are ready.

    A client keeps its connections, as a load balancer does, until the replica is taken out.
    """

    def __init__(self, urls: list[str], video: bytes) -> None:
        self.urls = urls
        self.failures: list[str] = []
        self.requests = 0
        self.jobs: list[str] = []
        self._video = video
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> "Load":
        with httpx.Client(base_url=self.urls[0], timeout=30) as client:
            account = {"username": "load", "password": PASSWORD, "email": ADDRESS}
            client.post("/v1/accounts", json=account).raise_for_status()
            answer = client.post("/v1/sessions", json={"username": "load", "password": PASSWORD}).raise_for_status()
        self.headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        with ExitStack() as stack:
            clients: dict[str, httpx.Client] = {}
            finished: list[str] = []
            while not self._ended.wait(0.3):
                number += 1
                url = self.urls[number % len(self.urls)]
                if url not in clients:
                    clients[url] = stack.enter_context(httpx.Client(base_url=url, headers=self.headers, timeout=30))
                files = {"file": ("talk.mp4", self._video)}
                if answer := self._request(clients[url], "POST", "/v1/conversions", 202, files=files):
                    self.jobs.append(answer.json()["id"])
                    finished.append(self.jobs[-1])
                answer = self._request(clients[url], "GET", f"/v1/conversions/{finished[0]}", 200)
                if answer and answer.json()["state"] == "finished":
                    self._request(clients[url], "GET", f"/v1/conversions/{finished.pop(0)}/mp3", 200)

    def _request(
        self, client: httpx.Client, method: str, path: str, status: int, **content: object
    ) -> httpx.Response | None:
        self.requests += 1
        try:
            answer = client.request(method, path, **content)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            self.failures.append(f"{method} {path} at {client.base_url}: {error!r}")
            return None
        if answer.status_code != status:
            self.failures.append(f"{method} {path} at {client.base_url}: {answer.status_code} {answer.text}")
            return None
        return answer


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
    with Load([f"http://{docker.address('video2mp3-api-1')}:8000"], video) as load:
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
        states = Counter(str(wait_for_end(client, job, 120)["state"]) for job in load.jobs)
    print(f"\n{load.requests} requests, {len(load.failures)} failed; {len(load.jobs)} jobs: {dict(states)}")
    assert load.failures == []
    assert states == {"finished": len(load.jobs)}
    wait_until(lambda: len(mails_to(service, ADDRESS)) >= len(load.jobs), 60, "the mails")
    assert len(mails_to(service, ADDRESS)) == len(load.jobs)
    ended = {docker.inspect(f"video2mp3-{role}-1")["State"]["ExitCode"] for role in ("api", "worker", "notifier")}
    assert ended == {0}
