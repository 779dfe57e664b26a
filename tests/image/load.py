"""Clients that use a service in containers all the time, and note every request that fails."""

import threading
from contextlib import ExitStack

import httpx

from tests.acceptance.service import PASSWORD, Service, verify

ADDRESS = "load@example.org"
CLIENTS = 3


class Load:
    """Clients that submit, look and fetch all the time, each request at one of the replicas that are ready.

    A client keeps its connections, as a load balancer does, until the replica is taken out.
    """

    def __init__(self, service: Service, urls: list[str], video: bytes) -> None:
        self._service = service
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
            verify(self._service, client, ADDRESS)
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
