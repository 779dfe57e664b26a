"""The routes of administrators."""

from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import update

from tests.api.conftest import SignedIn
from tests.api.stored import claim, convert, fail, finish, stored, upload
from tests.jobs.rows import change_job
from video2mp3.api.admin import routes as admin
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Notification, User, Worker
from video2mp3.errors import NoAudio
from video2mp3.jobs.workers import SEEN_S

MISSING = "0" * 31 + "1"
WORKER = "w" * 32


def add_worker(services: Services, worker_id: str = "a" * 32, **values: Any) -> str:
    row = {"host": "h1", "slots": 2, "started_at": now(), "heartbeat_at": now(), **values}
    with services.database.write() as session:
        session.add(Worker(id=worker_id, **row))
    return worker_id


def get(root: SignedIn, path: str, /, **params: Any) -> Any:
    return root.http.get(f"/v1/admin/{path}", params=params).raise_for_status().json()


# -- Who may ------------------------------------------------------------------------------------------

ROUTES = [
    (method, route.path)
    for route in admin.router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
]


def send(http: httpx.Client, method: str, path: str, item_id: str) -> httpx.Response:
    return http.request(method, path.format(job_id=item_id, worker_id=item_id))


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_others_are_refused_whatever_they_ask_for(
    ada: SignedIn, client: httpx.Client, services: Services, method: str, path: str
) -> None:
    """It should answer 403 for ids that exist, that do not and that are none, and change nothing."""
    job_id = convert(ada.http)
    worker_id = add_worker(services)
    before = stored(services)
    for item_id in (worker_id if "worker" in path else job_id, MISSING, "x"):
        answer = send(ada.http, method, path, item_id)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert send(client, method, path, item_id).status_code == 401
    assert stored(services) == before
    assert ada.http.get(f"/v1/conversions/{job_id}").json()["state"] == "queued"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_an_administrator_reaches_every_route(
    root: SignedIn, ada: SignedIn, services: Services, method: str, path: str
) -> None:
    job_id = convert(ada.http)
    if path.endswith("/retry"):
        fail(services, job_id, NoAudio())
    worker_id = add_worker(services)
    assert send(root.http, method, path, worker_id if "worker" in path else job_id).is_success
    if "{" in path:
        assert send(root.http, method, path, MISSING).status_code == 404
        assert send(root.http, method, path, "x").status_code == 404


def test_an_administrator_does_not_own_the_others_conversions(root: SignedIn, ada: SignedIn) -> None:
    """It should keep what users have stored from administrators on the users' own routes."""
    job_id = convert(ada.http)
    assert root.http.get(f"/v1/conversions/{job_id}").status_code == 404
    assert root.http.get("/v1/conversions").json()["items"] == []


def test_an_administrator_who_is_none_any_more_is_refused(root: SignedIn, services: Services) -> None:
    with services.database.write() as session:
        session.execute(update(User).values(role="user"))
    assert root.http.get("/v1/admin/jobs").status_code == 403


# -- Jobs ---------------------------------------------------------------------------------------------


def test_jobs_of_all_users_are_listed_in_pages(root: SignedIn, ada: SignedIn, bob: SignedIn) -> None:
    made = [convert(user.http) for user in (ada, bob, ada, bob, ada)]
    listed: list[str] = []
    cursor: dict[str, Any] = {}
    for size in (2, 2, 1):
        page = get(root, "jobs", limit=2, **cursor)
        assert len(page["items"]) == size
        listed += [job["id"] for job in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert listed == sorted(made, reverse=True)
    assert cursor == {"cursor": None}


def test_jobs_are_found_by_state_user_and_worker(
    root: SignedIn, ada: SignedIn, bob: SignedIn, services: Services
) -> None:
    queued, running, failed = convert(ada.http), convert(bob.http), convert(ada.http)
    claim(services, running)
    fail(services, failed, NoAudio())

    def found(**params: str) -> list[str]:
        return [job["id"] for job in get(root, "jobs", **params)["items"]]

    assert found(state="failed") == [failed]
    assert found(user="ada") == [failed, queued]
    assert found(user="ada", state="queued") == [queued]
    assert found(user="nobody") == []
    change_job(services.database, running, lease_owner="b" * 32)
    assert found(worker="b" * 32) == [running]
    assert found(worker="c" * 32) == []
    assert root.http.get("/v1/admin/jobs?state=lost").status_code == 422


def test_a_job_tells_whose_it_is_and_how_it_went(root: SignedIn, ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http, vbr_quality="2", priority="low")
    fail(services, job_id, NoAudio())
    job = get(root, f"jobs/{job_id}")
    assert job["user"] == {"id": ada.user_id, "username": "ada"}
    assert (job["state"], job["priority"], job["claims"], job["failures"]) == ("failed", "low", 1, 0)
    assert (job["options"], job["source_name"]) == ({"vbr_quality": 2}, "talk.mp4")
    assert job["error"]["code"] == "no_audio"


def test_jobs_are_canceled_and_tried_again_for_their_users(root: SignedIn, ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    assert root.http.post(f"/v1/admin/jobs/{job_id}/cancel").json()["state"] == "canceled"
    assert root.http.post(f"/v1/admin/jobs/{job_id}/cancel").json()["code"] == "conflict"
    again = root.http.post(f"/v1/admin/jobs/{job_id}/retry")
    assert again.status_code == 202
    new_id = again.json()["id"]
    assert again.headers["location"] == f"/v1/admin/jobs/{new_id}"
    assert ada.http.get(f"/v1/conversions/{new_id}").json()["state"] == "queued"
    claim(services, new_id)
    running = root.http.post(f"/v1/admin/jobs/{new_id}/cancel").json()
    assert (running["state"], running["cancel_requested"]) == ("processing", True)


# -- Workers and the queue ----------------------------------------------------------------------------


def test_workers_tell_what_they_do(root: SignedIn, ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    claim(services, job_id)
    add_worker(services, "w" * 32)
    add_worker(services, "1" * 32)
    add_worker(services, "2" * 32, heartbeat_at=now() - (SEEN_S + 5) * SECOND)
    add_worker(services, "3" * 32, draining=True)
    add_worker(services, "4" * 32, draining=True, slots=0)
    workers = {worker["id"][0]: worker for worker in get(root, "workers")}
    states = {name: worker["state"] for name, worker in workers.items()}
    assert states == {"1": "idle", "2": "lost", "3": "draining", "4": "drained", "w": "busy"}
    assert workers["w"]["jobs"] == [{"id": job_id, "percent": 0}]
    assert workers["1"]["jobs"] == []
    assert workers["1"]["heartbeat_age_s"] < SEEN_S < workers["2"]["heartbeat_age_s"]


def test_a_worker_is_asked_to_drain(root: SignedIn, services: Services) -> None:
    worker_id = add_worker(services)
    assert get(root, "queue")["open_slots"] == 2
    answer = root.http.post(f"/v1/admin/workers/{worker_id}/drain")
    assert (answer.status_code, answer.json()["state"]) == (202, "draining")
    assert get(root, "queue")["open_slots"] == 0


def test_the_queue_tells_what_waits_and_for_how_long(root: SignedIn, ada: SignedIn, services: Services) -> None:
    empty = get(root, "queue")
    assert empty["queued"] == {"high": 0, "normal": 0, "low": 0}
    assert (empty["oldest_queued_s"], empty["oldest_notification_s"]) == (None, None)
    upload_id = upload(ada.http)
    ids = [ada.http.post("/v1/conversions", json={"upload_id": upload_id}).json()["id"] for _ in range(4)]
    convert(ada.http, priority="low")
    change_job(services.database, ids[0], state="waiting")
    change_job(services.database, ids[1], created_at=now() - 100 * SECOND, not_before=now() + 100 * SECOND)
    change_job(services.database, ids[2], announced_until=now() + 100 * SECOND)
    finish(services, ids[3])
    ada.http.post("/v1/webhooks", json={"url": "https://hooks.example.org/"}).raise_for_status()
    ada.http.delete(f"/v1/conversions/{convert(ada.http)}").raise_for_status()  # nobody is emailed about that
    with services.database.write() as session:
        session.execute(update(Notification).values(created_at=now() - 50 * SECOND))
        session.execute(update(Notification).where(Notification.kind == "webhook").values(created_at=1))
    claim(services, convert(ada.http))
    queue = get(root, "queue")
    assert queue["queued"] == {"high": 0, "normal": 2, "low": 1}
    assert (queue["waiting"], queue["delayed"], queue["announced"], queue["processing"]) == (1, 1, 1, 1)
    assert (queue["notifications"], queue["open_slots"]) == (2, 0)
    assert 100 <= queue["oldest_queued_s"] < 1000
    assert 50 <= queue["oldest_notification_s"] < 1000, "a receiver that is away is its owner's affair"


# -- Storage ------------------------------------------------------------------------------------------


def test_the_storage_tells_what_is_kept_of_all_users(
    root: SignedIn, ada: SignedIn, bob: SignedIn, services: Services
) -> None:
    empty = {"count": 0, "bytes": 0}
    before = get(root, "storage")
    assert (before["uploads"], before["results"]) == (empty, empty)
    ids = [convert(user.http) for user in (ada, bob, bob)]
    sizes = [len(finish(services, job_id)) for job_id in ids[:2]]
    storage = get(root, "storage")
    assert storage["uploads"]["count"] == 3
    assert storage["uploads"]["bytes"] == sum(get(root, f"jobs/{job_id}")["source_size_bytes"] for job_id in ids)
    assert storage["results"] == {"count": 2, "bytes": sum(sizes)}
    assert storage["free_bytes"] > 1_000_000
