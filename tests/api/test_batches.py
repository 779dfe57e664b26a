import io
import zipfile
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, fail, finish, stored, upload
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Batch, Job, Notification
from video2mp3.errors import NoAudio
from video2mp3.jobs import batches
from video2mp3.outbox.webhooks import new_secret
from video2mp3.settings import Settings


def order(user: SignedIn, *items: dict[str, Any], key: str | None = None, **more: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return user.http.post("/v1/batches", json={"items": items, **more}, headers=headers)


def made(user: SignedIn, count: int = 3, **more: Any) -> dict[str, Any]:
    """A batch of files of different names."""
    items = [{"upload_id": upload(user.http, name=f"talk {n}.mp4"), "tag": f"number {n}"} for n in range(count)]
    answer = order(user, *items, **more)
    assert answer.status_code == 202, answer.text
    batch: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/v1/batches/{batch['id']}"
    return batch


def read(user: SignedIn, batch: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = user.http.get(f"/v1/batches/{batch['id']}").raise_for_status().json()
    return found


def end(services: Services) -> int:
    """Does what housekeeping does every ten seconds."""
    with services.database.write() as session:
        return batches.end(session)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_many_conversions_are_ordered_by_one_call(ada: SignedIn) -> None:
    first = {"upload_id": upload(ada.http, name="a.mp4"), "options": {"bitrate_kbps": 64}, "tag": "a"}
    second = {"source": {"url": "https://files.example.org/b.mp4?key=secret"}}
    answer = order(ada, first, second, options={"channels": 1}, tag="both", priority="low")
    assert answer.status_code == 202, answer.text
    batch = answer.json()
    one, two = batch["conversions"]
    assert batch == {
        "id": batch["id"],
        "state": "running",
        "percent": 0,
        "tag": "both",
        "counts": {"queued": 1, "waiting": 1},
        "conversions": [
            {"id": one["id"], "name": "a.mp4", "tag": "a", "state": "queued", "percent": 0},
            {"id": two["id"], "name": "b.mp4", "tag": None, "state": "waiting", "percent": 0},
        ],
        "created_at": batch["created_at"],
        "ended_at": None,
    }
    assert read(ada, batch) == batch
    jobs = [ada.http.get(f"/v1/conversions/{item['id']}").json() for item in batch["conversions"]]
    assert [job["options"] for job in jobs] == [
        {"channels": 1, "bitrate_kbps": 64},
        {"preset": "standard", "channels": 1},
    ]
    of_batch = {(job["batch_id"], job["priority"], job["email_notifications"]) for job in jobs}
    assert of_batch == {(batch["id"], "low", False)}


def test_a_batch_ends_with_its_last_conversion(ada: SignedIn, services: Services) -> None:
    batch = made(ada)
    one, two, three = (item["id"] for item in batch["conversions"])
    assert end(services) == 0
    finish(services, one)
    fail(services, two, NoAudio())
    assert end(services) == 0
    running = read(ada, batch)
    assert (running["state"], running["percent"], running["counts"]) == (
        "running",
        66,
        {"finished": 1, "failed": 1, "queued": 1},
    )
    ada.http.delete(f"/v1/conversions/{three}").raise_for_status()
    assert end(services) == 0, "it should not wait for housekeeping"
    ended = read(ada, batch)
    assert (ended["state"], ended["percent"], ended["ended_at"] is None) == ("ended", 100, False)


def test_a_batch_whose_last_jobs_ended_at_one_moment_ends_a_little_later(ada: SignedIn, services: Services) -> None:
    batch = made(ada, 1)
    finish(services, batch["conversions"][0]["id"])
    with services.database.write() as session:
        # Neither of two transactions saw the other.
        session.execute(update(Batch).values(ended_at=None))
    assert (end(services), end(services)) == (1, 0)
    assert read(ada, batch)["state"] == "ended"


def test_the_mp3s_of_a_batch_come_as_one_zip(ada: SignedIn, services: Services) -> None:
    batch = made(ada, tag="My talks")
    one, two, three = (item["id"] for item in batch["conversions"])
    path = f"/v1/batches/{batch['id']}/archive"
    assert refusal(ada.http.get(path)) == (409, "not_finished")
    finish(services, one, b"ID3 one")
    fail(services, two, NoAudio())
    finish(services, three, b"ID3 three")
    answer = ada.http.get(path)
    assert answer.headers["content-length"] == str(len(answer.content))
    assert 'filename="My talks.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archived:
        assert {name: archived.read(name) for name in archived.namelist()} == {
            "talk 0.mp3": b"ID3 one",
            "talk 2.mp3": b"ID3 three",
        }


def test_a_batch_is_canceled_then_deleted(ada: SignedIn, services: Services) -> None:
    batch = made(ada)
    finish(services, batch["conversions"][0]["id"])
    canceled = ada.http.delete(f"/v1/batches/{batch['id']}")
    assert (canceled.status_code, canceled.json()["counts"]) == (202, {"finished": 1, "canceled": 2})
    assert ada.http.delete(f"/v1/batches/{batch['id']}").status_code == 204
    assert refusal(ada.http.get(f"/v1/batches/{batch['id']}")) == (404, "not_found")
    assert ada.http.get("/v1/conversions").json()["items"] == []
    assert list(services.storage.list("results/")) == []


def test_all_are_taken_or_none(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    """It should leave no conversion where the last of the batch cannot be taken."""
    mine, foreign = upload(ada.http), upload(bob.http)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"upload_id": foreign}, "not_found"),
        ({"upload_id": mine, "options": {"bitrate_kbps": 7}}, "invalid_option"),
        ({}, "invalid_request"),
        ({"upload_id": mine, "source": {"url": "https://files.example.org/b.mp4"}}, "invalid_request"),
        ({"source": {"url": "http://127.0.0.1/b.mp4"}}, "url_rejected"),
    ]
    for item, code in wrong:
        assert refusal(order(ada, {"upload_id": mine}, item))[1] == code
    with services.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0
        assert session.scalar(select(func.count()).select_from(Batch)) == 0
    assert order(ada, {"upload_id": mine}, {"upload_id": mine}).status_code == 202


def test_a_batch_counts_as_all_its_conversions(ada: SignedIn, services: Services) -> None:
    few = Settings(**services.settings.model_dump() | {"max_user_jobs": 2})
    ada.http.get("/v1/me").raise_for_status()
    object.__setattr__(services, "settings", few)
    item = {"upload_id": upload(ada.http)}
    assert refusal(order(ada, item, item, item)) == (429, "too_many_jobs")
    assert order(ada, item, item).status_code == 202


@pytest.mark.parametrize("count", [0, 101])
def test_the_number_of_items_has_bounds(ada: SignedIn, services: Services, count: int) -> None:
    assert refusal(order(ada, *[{"upload_id": "0" * 32}] * count)) == (422, "invalid_request")
    assert stored(services) == NOTHING


def test_the_same_order_again_makes_no_other_batch(ada: SignedIn, services: Services) -> None:
    item = {"upload_id": upload(ada.http)}
    first, second = (order(ada, item, item, key="k") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json() == second.json()
    assert refusal(order(ada, item, key="k")) == (422, "idempotency_key_reused")
    assert len(ada.http.get("/v1/conversions").json()["items"]) == 2


def test_batches_are_listed_the_newest_first(ada: SignedIn, bob: SignedIn) -> None:
    found = [made(ada, 1)["id"] for _ in range(3)][::-1]
    page = ada.http.get("/v1/batches", params={"limit": 2}).json()
    assert [batch["id"] for batch in page["items"]] == found[:2]
    rest = ada.http.get("/v1/batches", params={"cursor": page["next_cursor"]}).json()
    assert ([batch["id"] for batch in rest["items"]], rest["next_cursor"]) == (found[2:], None)
    assert bob.http.get("/v1/batches").json() == {"items": [], "next_cursor": None}


def test_its_webhook_is_queued_once(ada: SignedIn, services: Services) -> None:
    webhook = {"url": "https://hooks.example.org/", "secret": new_secret()}
    told, silent = made(ada, 2, webhook=webhook), made(ada, 1)
    for batch in (told, silent):
        for item in batch["conversions"]:
            finish(services, item["id"])
    assert end(services) == 0
    with services.database.read() as session:
        queued = session.execute(select(Notification.kind, Notification.target)).all()
    assert [tuple(row) for row in queued] == [("batch", told["id"])]
