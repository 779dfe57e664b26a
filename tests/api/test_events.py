import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from tests.api.conftest import Serve, SignedIn
from tests.api.stored import claim, convert, fail, finish
from tests.servers import wait_until
from video2mp3 import supervision
from video2mp3.api.application import create_app
from video2mp3.api.conversions import events, watcher
from video2mp3.api.conversions.watcher import JobStatus, JobWatcher
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import SECOND
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job
from video2mp3.errors import DatabaseUnavailable, NoAudio
from video2mp3.jobs import lifecycle

ALL = "/v1/conversions/events"


class Follower:
    """Reads a conversion's events, or those of all, in a thread, as they come."""

    def __init__(self, http: httpx.Client, job_id: str | None = None) -> None:
        self.lines: list[str] = []
        self.ended = threading.Event()
        self._http = http
        self._path = f"/v1/conversions/{job_id}/events" if job_id else ALL
        self._thread = threading.Thread(target=self._read)

    @property
    def seen(self) -> list[dict[str, Any]]:
        return [json.loads(line.removeprefix("data: ")) for line in self.lines if line.startswith("data: ")]

    @property
    def states(self) -> list[tuple[str, int]]:
        return [(one["state"], one["percent"]) for one in self.seen]

    def _read(self) -> None:
        with self._http.stream("GET", self._path) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            for line in answer.iter_lines():
                self.lines.append(line)
        self.ended.set()

    def wait_for(self, state: tuple[str, int]) -> None:
        wait_until(lambda: state in self.states, 15, f"the event {state}")

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextmanager
def counted_queries(services: Services) -> Iterator[list[str]]:
    statements: list[str] = []

    def count(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "done_s" in statement and "jobs.id IN" in statement:
            statements.append(statement)

    event.listen(services.database.engine, "before_cursor_execute", count)
    yield statements
    event.remove(services.database.engine, "before_cursor_execute", count)


def test_a_conversion_is_followed_to_its_end(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    with Follower(ada.http, job_id) as follower:
        follower.wait_for(("queued", 0))
        claimed = claim(services, job_id)
        with services.database.write() as session:
            lifecycle.heartbeat(session, claimed, percent=40, done_s=12.5)
        follower.wait_for(("processing", 40))
        with services.database.write() as session:
            lifecycle.release(session, claimed)
        finish(services, job_id)
    assert follower.states[-1] == ("finished", 100)
    middle = next(one for one in follower.seen if one["percent"] == 40)
    assert (middle["id"], middle["done_s"], middle["error"]) == (job_id, 12.5, None)
    assert middle["speed"] > 0
    assert middle["eta_s"] > 0
    last = follower.seen[-1]
    assert last["done_s"] > 0
    assert last["speed"] > 0


def test_an_ended_conversion_tells_its_end_once(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    fail(services, job_id, NoAudio())
    with Follower(ada.http, job_id) as follower:
        pass
    assert follower.states == [("failed", 0)]
    assert follower.seen[0]["error"] == {"code": "no_audio", "retryable": False}


def test_a_client_that_has_seen_the_end_is_told_to_stop(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    path = f"/v1/conversions/{job_id}/events"
    finish(services, job_id)
    last_id = ada.http.get(path).text.splitlines()[0].removeprefix("id: ")
    assert ada.http.get(path, headers={"Last-Event-ID": last_id}).status_code == 204
    for other in ("queued-0", "x" * 1000, "finished-99"):
        again = ada.http.get(path, headers={"Last-Event-ID": other})
        assert (again.status_code, "finished" in again.text) == (200, True)


def test_a_canceled_and_deleted_conversion_ends_its_stream(ada: SignedIn) -> None:
    job_id = convert(ada.http)
    with Follower(ada.http, job_id) as follower:
        follower.wait_for(("queued", 0))
        ada.http.delete(f"/v1/conversions/{job_id}").raise_for_status()
        ada.http.delete(f"/v1/conversions/{job_id}").raise_for_status()
    assert follower.ended.is_set()


def test_a_quiet_stream_is_kept_alive(ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_HEARTBEAT_S", 0.2)
    job_id = convert(ada.http)
    with Follower(ada.http, job_id) as follower:
        wait_until(lambda: len([line for line in follower.lines if line.startswith(":")]) >= 2, 15, "two heartbeats")
        finish(services, job_id)
    assert (follower.states[0], follower.states[-1]) == (("queued", 0), ("finished", 100))


def test_many_followers_share_one_query_a_second(ada: SignedIn, services: Services) -> None:
    jobs = [convert(ada.http) for _ in range(3)]
    followers = [Follower(ada.http, job_id) for job_id in jobs * 4]
    with counted_queries(services) as queries:
        for follower in followers:
            follower.__enter__()
        for follower in followers:
            follower.wait_for(("queued", 0))
        before = len(queries)
        wait_until(lambda: len(queries) >= before + 2, 15, "two more queries")
        assert "IN (?, ?, ?)" in queries[-1]
        during = len(queries)
        for job_id in jobs:
            finish(services, job_id)
        for follower in followers:
            follower.__exit__()
        # One or two more until all have seen the end, not one for each of the twelve.
        assert len(queries) <= during + 3
    assert all(follower.states[-1] == ("finished", 100) for follower in followers)


def test_nothing_is_asked_when_nobody_follows(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    finish(services, job_id)
    with counted_queries(services) as queries, Follower(ada.http, job_id):
        pass
    assert queries == []


@contextmanager
def all_events(http: httpx.Client) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """The stream of all conversions. The function reads until it has seen these ids with their states, or types."""
    with http.stream("GET", ALL) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()

        def read_to(*wanted: tuple[str, str]) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            missing, kind = set(wanted), ""
            for line in lines:
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    found.append({"state": kind} | json.loads(value))
                    kind = ""
                    missing.discard((found[-1]["id"], found[-1]["state"]))
                    if not missing:
                        return found
            raise AssertionError(found)

        yield read_to


def test_one_stream_has_all_conversions_of_a_user(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    """It should have those that are there, those that come later and each one's end, but nobody else's."""
    first, ended = convert(ada.http), convert(ada.http)
    finish(services, ended)
    fail(services, convert(bob.http), NoAudio())
    with all_events(ada.http) as read_to:
        # What ended while a client was reconnecting, too.
        assert len(read_to((first, "queued"), (ended, "finished"))) == 2
        second = convert(ada.http)
        read_to((second, "queued"))
        claimed = claim(services, second)
        with services.database.write() as session:
            lifecycle.heartbeat(session, claimed, percent=40, done_s=12.5)
        (*_, event) = read_to((second, "processing"))
        assert (event["percent"], event["done_s"], event["error"]) == (40, 12.5, None)
        with services.database.write() as session:
            lifecycle.release(session, claimed)
        fail(services, second, NoAudio())
        (*_, event) = read_to((second, "failed"))
        assert event["error"] == {"code": "no_audio", "retryable": False}
        between = convert(ada.http)
        finish(services, between)  # perhaps between two looks
        read_to((between, "finished"))
        with services.database.write() as session:
            session.delete(lifecycle.find(session, first, ada.user_id))
        (*_, event) = read_to((first, "deleted"))
        assert event == {"id": first, "state": "deleted"}


def test_the_stream_of_all_is_for_its_user(ada: SignedIn, client: httpx.Client) -> None:
    """It should take a key that may read, and nobody unknown."""
    assert client.get(ALL).status_code == 401
    made = ada.http.post("/v1/api-keys", json={"name": "reader", "scopes": ["read"]}).raise_for_status().json()
    job_id = convert(ada.http)
    with (
        httpx.Client(base_url=ada.http.base_url, headers={"Authorization": f"Bearer {made['key']}"}) as reader,
        all_events(reader) as read_to,
    ):
        assert len(read_to((job_id, "queued"))) == 1


def test_all_streams_count_together(ada: SignedIn, services: Services, serve: Serve) -> None:
    settings = services.settings.model_copy(update={"max_user_event_streams": 2})
    headers = {"Authorization": f"Bearer {ada.access_token}"}
    job_id = convert(ada.http)
    with httpx.Client(base_url=serve(replace(services, settings=settings)), headers=headers) as http:
        with http.stream("GET", ALL), http.stream("GET", f"/v1/conversions/{job_id}/events"):
            answer = http.get(ALL)
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_event_streams")


class RestartedDatabase(Database):
    """A database that is away for some questions."""

    questions_left = 0

    @contextmanager
    def read(self) -> Iterator[Session]:
        if self.questions_left > 0:
            self.questions_left -= 1
            raise DatabaseUnavailable
        with super().read() as session:
            yield session


def test_an_outage_is_one_line_in_the_log_and_followers_outlive_it(
    ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_FIRST_BACKOFF_S", 0.01)
    job_id = convert(ada.http)
    with services.database.read() as session:
        job = lifecycle.find(session, job_id, ada.user_id)
    finish(services, job_id)
    database = RestartedDatabase(services.settings.effective_database_url)
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            database.questions_left = 5
            asyncio.run(JobWatcher(database).wait_for_end(job, interval_s=0.01))
            assert database.questions_left == 0
    database.close()
    assert [line["event"] for line in logged] == ["loop_interrupted", "loop_recovered"] * 2


def test_what_ended_in_a_long_outage_is_not_called_deleted(
    ada: SignedIn, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(watcher._UserWatch, "interval_s", 0.01)
    finished, deleted, waiting = (convert(ada.http) for _ in range(3))
    new: list[str] = []
    database = RestartedDatabase(services.settings.effective_database_url)

    async def follow() -> Mapping[str, JobStatus | None] | None:
        job_watcher = JobWatcher(database)
        changes = job_watcher.changes_of_user(ada.user_id, heartbeat_s=15)
        assert set(await anext(changes) or ()) == {finished, deleted, waiting}
        database.questions_left = 1000
        await asyncio.to_thread(wait_until, lambda: database.questions_left < 1000, 15, "the outage")
        (watch,) = job_watcher._watches
        assert isinstance(watch, watcher._UserWatch)
        watch.asked_at_s -= 65  # so long ago was the last answer
        new.append(convert(ada.http))
        for job_id in (finished, *new):
            finish(services, job_id)
        with services.database.write() as session:
            session.execute(update(Job).where(Job.id.in_([finished, *new])).values(ended_at=Job.ended_at - 65 * SECOND))
            session.delete(lifecycle.find(session, deleted, ada.user_id))
        database.questions_left = 1
        return await anext(changes)

    changed = asyncio.run(follow())
    assert database.questions_left == 0
    database.close()
    assert changed is not None
    assert {job_id: status and status.state for job_id, status in changed.items()} == {
        finished: "finished",
        new[0]: "finished",
        deleted: None,
    }


def test_a_client_that_goes_away_is_forgotten(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    with counted_queries(services) as queries:
        with ada.http.stream("GET", f"/v1/conversions/{job_id}/events") as answer:
            lines = answer.iter_lines()  # without it the response would be closed
            assert next(lines).startswith("id: ")
            wait_until(lambda: len(queries) >= 1, 15, "a query")

        def quiet() -> bool:
            before = len(queries)
            threading.Event().wait(1.5)
            return len(queries) == before

        wait_until(quiet, 15, "no more queries")


def test_streams_end_when_the_server_is_about_to_end(services: Services) -> None:
    app = create_app(replace(services, trust_loopback=True))
    server = ClosingServer(uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=60))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, 15, "the server")
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        job_id = convert(http)
        with Follower(http, job_id) as follower, Follower(http) as follower_of_all:
            for each in (follower, follower_of_all):
                each.wait_for(("queued", 0))
            server.should_exit = True
        assert follower.states[-1] == follower_of_all.states[-1] == ("queued", 0)
    thread.join(30)
    assert not thread.is_alive()


class ClosingServer(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        assert isinstance(self.config.app, FastAPI)
        events.end_streams(self.config.app)
        await super().shutdown(sockets)
