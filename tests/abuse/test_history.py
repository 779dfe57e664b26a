"""An account makes rows that cost it nothing: it should keep a bounded number of them, whatever it does."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from tests.abuse.conftest import StartService
from tests.acceptance.service import PASSWORD, Service
from tests.servers import wait_until
from video2mp3.jobs.housekeeping import history
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.uploads import limits

KEEP = 5
MADE = 12


def without_trimming() -> None:
    """Nothing is taken away before its time."""
    Housekeeping._trim_history = lambda self: None  # type: ignore[method-assign]


def with_few_sessions() -> None:
    """The same bounds, of a size that a test reaches."""
    history.MAX_SESSIONS = history.MAX_AUDIT_ENTRIES = KEEP


def with_few_uploads() -> None:
    limits.UploadLimits.__init__.__defaults__ = (KEEP,)


def without_a_limit_of_uploads() -> None:
    limits.UploadLimits.__init__.__defaults__ = (10**9,)


def make_many(user: httpx.Client) -> None:
    """All of them fail."""
    upload_id = user.post("/v1/uploads", content=b"no video").raise_for_status().json()["id"]
    for _ in range(MADE):
        user.post("/v1/conversions", json={"upload_id": upload_id}).raise_for_status()


def ended(user: httpx.Client) -> list[str]:
    """The ids of the conversions that have ended, by their ends."""
    jobs = user.get("/v1/conversions", params={"limit": 100}).raise_for_status().json()["items"]
    over = [job for job in jobs if job["state"] == "failed"]
    return [job["id"] for job in sorted(over, key=lambda job: (job["ended_at"], job["id"]))]


def rows(service: Service, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(Path(service.folder) / "data" / "video2mp3.db")) as database:
        return database.execute(query).fetchall()


def let_sweep(service: Service) -> None:
    """Makes the next sweep, which comes with the next start, count what is there."""
    with closing(sqlite3.connect(Path(service.folder) / "data" / "video2mp3.db")) as database, database:
        database.execute("DELETE FROM periodic_tasks")


@contextmanager
def signed_in(url: str, name: str) -> Iterator[httpx.Client]:
    """A client of a user who has an account already."""
    with httpx.Client(base_url=url, timeout=60) as client:
        answer = client.post("/v1/sessions", json={"username": name, "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        yield client


def test_the_oldest_conversions_go(start_service: StartService) -> None:
    with start_service(max_user_history=KEEP) as service, service.user("ada") as ada, service.user("bob") as bob:
        make_many(ada)
        upload_id = bob.post("/v1/uploads", content=b"no video").raise_for_status().json()["id"]
        bobs = bob.post("/v1/conversions", json={"upload_id": upload_id}).raise_for_status().json()["id"]
        wait_until(lambda: len(ended(ada)) == MADE, 60, "ada's conversions to end")
        made = ended(ada)
        wait_until(lambda: ended(bob) == [bobs], 60, "bob's conversion to end")
        # Conversions whose notifications are not sent yet are spared.
        unsent = "SELECT 1 FROM notifications WHERE state IN ('queued', 'sending')"
        wait_until(lambda: not rows(service, unsent), 60, "all notifications")
    let_sweep(service)
    with start_service(max_user_history=KEEP) as service:
        with signed_in(service.url, "ada") as ada:
            wait_until(lambda: len(ended(ada)) == KEEP, 60, "the oldest to go")
            assert ended(ada) == made[-KEEP:]
        with signed_in(service.url, "bob") as bob:
            assert ended(bob) == [bobs]


def test_without_the_bound_they_stay(start_service: StartService) -> None:
    """The control."""
    with start_service(without_trimming, max_user_history=KEEP) as service, service.user("ada") as ada:
        make_many(ada)
    let_sweep(service)
    with (
        start_service(without_trimming, max_user_history=KEEP) as service,
        signed_in(service.url, "ada") as ada,
        service.user("bob"),
    ):
        # The sweep after which it would look for orphans has come and gone.
        wait_until(lambda: rows(service, "SELECT 1 FROM periodic_tasks WHERE name = 'orphans'"), 60, "a sweep")
        wait_until(lambda: len(ended(ada)) == MADE, 60, "ada's conversions to end")


def test_sessions_end_when_there_are_too_many(start_service: StartService) -> None:
    with start_service(with_few_sessions) as service, service.user("ada") as ada, service.user("bob") as bob:
        others = []
        for _ in range(MADE):
            with signed_in(service.url, "ada") as other:
                others.append(other.headers)
        assert ada.get("/v1/me").status_code == 200
        bobs = bob.headers
    let_sweep(service)
    with start_service(with_few_sessions) as service, httpx.Client(base_url=service.url) as client:
        wait_until(lambda: client.get("/v1/me", headers=ada.headers).status_code == 401, 60, "the oldest to end")
        assert client.get("/v1/me", headers=others[-1]).status_code == 200
        assert client.get("/v1/me", headers=bobs).status_code == 200


def begun(user: httpx.Client) -> list[int]:
    """Begins uploads without a byte; returns the answers' statuses."""
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "1"}
    return [user.post("/v1/uploads", headers=headers).status_code for _ in range(MADE)]


def test_uploads_without_a_byte_are_refused_when_there_are_too_many(start_service: StartService) -> None:
    with start_service(with_few_uploads) as service, service.user() as ada, service.user() as bob:
        assert begun(ada) == [201] * KEEP + [403] * (MADE - KEEP)
        assert bob.post("/v1/uploads", content=b"x").status_code == 201


def test_without_that_limit_they_are_all_taken(start_service: StartService) -> None:
    """The control."""
    with start_service(without_a_limit_of_uploads) as service, service.user() as ada:
        assert begun(ada) == [201] * MADE
