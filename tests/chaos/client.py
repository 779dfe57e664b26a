"""A client that does not give up, and its own log of what it was promised."""

import itertools
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.chaos.clips import Clip
from tests.chaos.cluster import Cluster

FINISHED = frozenset({"finished"})
CANCELED = frozenset({"canceled"})
EITHER = FINISHED | CANCELED
DELETED = frozenset[str]()
_PAUSE_S = 0.2
# Far beyond any answer: a client that gives up learns nothing.
_TIMEOUT_S = 120


@dataclass(frozen=True)
class Accepted:
    """A 2xx: what the service has promised."""

    job_id: str
    at_s: float
    mp3_sha256: str
    may_end: frozenset[str] = FINISHED


@dataclass(frozen=True)
class Attempt:
    """One request. `status` is 0 when no answer came; `code` is the problem's, or what became of the connection."""

    url: str
    at_s: float
    took_s: float
    status: int
    code: str


@dataclass
class ClientLog:
    """All that the client knows. Safe to use from several threads."""

    accepted: dict[str, Accepted] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Ids of jobs and the states that the API told, in order."""

    def may_end(self, job_id: str, states: frozenset[str]) -> None:
        """Notes that the job has to end otherwise now; in none of the states where it was deleted."""
        job = self.accepted[job_id]
        self.accepted[job_id] = Accepted(job.job_id, job.at_s, job.mp3_sha256, states)

    def slowest_s(self, statuses: range = range(200, 300)) -> float:
        """The longest time that an answer took."""
        return max((attempt.took_s for attempt in self.attempts if attempt.status in statuses), default=0.0)

    def statuses(self) -> dict[int, int]:
        """How often each status came."""
        counts: dict[int, int] = {}
        for attempt in self.attempts:
            counts[attempt.status] = counts.get(attempt.status, 0) + 1
        return counts


class Client:
    """Submits, and tries again (with the same Idempotency-Key) until the service has taken it."""

    def __init__(self, cluster: Cluster, log: ClientLog, http: httpx.Client, is_up: Callable[[str], bool]) -> None:
        self._log = log
        self._http = http
        self._urls = itertools.cycle(list(cluster.service.urls))
        self._is_up = is_up

    def submit(self, clip: Clip, give_up: threading.Event | None = None) -> str | None:
        """Sends a clip, as a form or as an upload of its own; returns the job's id."""
        key = str(uuid.uuid4())
        by_form = random.random() < 0.5
        upload_id = ""
        while not (give_up and give_up.is_set()):
            if by_form:
                files = {"file": (clip.name, clip.content)}
                answer = self._call("POST", "/v1/conversions", files=files, headers={"Idempotency-Key": key})
            elif not upload_id:
                answer = self._call("POST", f"/v1/uploads?name={clip.name}", content=clip.content)
                upload_id = answer.json()["id"] if answer is not None and answer.is_success else ""
                continue
            else:
                body = {"upload_id": upload_id}
                answer = self._call("POST", "/v1/conversions", json=body, headers={"Idempotency-Key": key})
            if answer is not None and answer.is_success:
                job_id = str(answer.json()["id"])
                self._log.accepted[job_id] = Accepted(job_id, time.monotonic(), clip.mp3_sha256)
                return job_id
        return None

    def cancel(self, job_id: str) -> int:
        """Asks for a cancel; returns the status: 204 where the job had ended and was deleted instead."""
        # Of a request without an answer nobody knows what it did.
        self._log.may_end(job_id, EITHER)
        while (answer := self._call("DELETE", f"/v1/conversions/{job_id}")) is None or answer.status_code >= 500:
            pass
        self._log.may_end(job_id, DELETED if answer.status_code == 204 else CANCELED)
        return answer.status_code

    def state(self, job_id: str) -> str:
        """Asks for the job's state until an answer comes."""
        while (answer := self._call("GET", f"/v1/conversions/{job_id}")) is None or not answer.is_success:
            pass
        state = str(answer.json()["state"])
        self._log.seen.append((job_id, state))
        return state

    def _call(self, method: str, path: str, **arguments: object) -> httpx.Response | None:
        """One attempt at the next replica that is up; pauses after one that failed."""
        url = next(url for url in self._urls if self._is_up(url))
        started_s = time.monotonic()
        code = ""
        try:
            answer = self._http.request(method, url + path, **arguments)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            answer, code = None, f"{type(error).__name__}: {error}"
        if answer is not None and answer.is_error:
            code = answer.json().get("code", "") if "json" in answer.headers.get("Content-Type", "") else answer.text
        status = answer.status_code if answer is not None else 0
        self._log.attempts.append(Attempt(url, started_s, time.monotonic() - started_s, status, code))
        if answer is None or answer.status_code >= 500 or answer.status_code == 429:
            time.sleep(_PAUSE_S)
        return answer


class Load:
    """Clients that submit as many jobs as they are allowed to, in threads of their own."""

    def __init__(self, cluster: Cluster, clips: Sequence[Clip], clients: int = 3) -> None:
        self.log = ClientLog()
        self.down: set[str] = set()
        """Replicas that the load balancer sends nothing to."""
        self._cluster = cluster
        self._clips = itertools.cycle(clips)
        self._pool = ThreadPoolExecutor(clients, thread_name_prefix="client")
        self._futures: list[Future[str | None]] = []
        self._give_up = threading.Event()
        self._http: httpx.Client

    @contextmanager
    def signed_in(self) -> Iterator["Load"]:
        """Signs in; at the end of the block waits for all that was allowed."""
        with self._cluster.client() as http:
            http.timeout = httpx.Timeout(_TIMEOUT_S)
            self._http = http
            try:
                yield self
                self.wait()
            finally:
                self._give_up.set()
                self._pool.shutdown(cancel_futures=True)

    def client(self) -> Client:
        """One more client of the same user, with the same log."""
        return Client(self._cluster, self.log, self._http, lambda url: url not in self.down)

    def submit(self, jobs: int) -> None:
        """Lets the clients submit so many more jobs; returns at once."""
        for _ in range(jobs):
            clip = next(self._clips)
            self._futures.append(self._pool.submit(self.client().submit, clip, self._give_up))

    def pending(self) -> int:
        """How many jobs the service has not taken yet."""
        return sum(not future.done() for future in self._futures)

    def wait(self, timeout_s: float = 600) -> list[str]:
        """Waits until all were taken; returns their ids."""
        deadline_s = time.monotonic() + timeout_s
        return [future.result(max(0.0, deadline_s - time.monotonic())) or "" for future in self._futures]
