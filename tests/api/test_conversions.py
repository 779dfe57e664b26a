from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, VIDEO, claim, convert, fail, finish, stored, upload
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job
from video2mp3.errors import NoAudio, TimeLimitReached
from video2mp3.jobs.lifecycle import FAILURES_LIMIT
from video2mp3.uploads import UploadSource


def order(http: httpx.Client, upload_id: str, key: str | None = None, **order: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return http.post("/v1/conversions", json={"upload_id": upload_id, **order}, headers=headers)


def state_of(http: httpx.Client, job_id: str) -> str:
    state: str = http.get(f"/v1/conversions/{job_id}").raise_for_status().json()["state"]
    return state


def test_an_upload_is_converted_by_its_id(ada: SignedIn) -> None:
    upload_id = upload(ada.http)
    answer = order(ada.http, upload_id, options={"bitrate_kbps": 128, "title": "Talk"}, tag="my tag")
    assert answer.status_code == 202
    job = answer.json()
    path = f"/v1/conversions/{job['id']}"
    assert answer.headers["location"] == path
    assert job == {
        "id": job["id"],
        "state": "queued",
        "blocked_reason": None,
        "percent": 0,
        "priority": "normal",
        "tag": "my tag",
        "batch_id": None,
        "email_notifications": True,
        "source": {
            "name": "talk.mp4",
            "size_bytes": len(VIDEO),
            "duration_s": None,
            "upload_id": upload_id,
            "url": None,
        },
        "cover_upload_id": None,
        "result_url": None,
        "options": {"bitrate_kbps": 128, "title": "Talk"},
        "created_at": job["created_at"],
        "started_at": None,
        "ended_at": None,
        "expires_at": None,
        "result": None,
        "error": None,
        "links": {
            "self": path,
            "events": f"{path}/events",
            "mp3": f"{path}/mp3",
            "waveform": f"{path}/waveform",
            "source": f"{path}/source",
            "report": f"{path}/report",
            "links": f"{path}/links",
            "retry": f"{path}/retry",
        },
    }
    assert ada.http.get(path).json() == job


def test_a_form_brings_the_file_and_its_options(ada: SignedIn, services: Services) -> None:
    files = {"file": ("talk.mp4", VIDEO)}
    answer = ada.http.post("/v1/conversions", files=files, data={"vbr_quality": "2", "title": "2024", "tag": "t"})
    assert answer.status_code == 202
    job = answer.json()
    assert (job["options"], job["tag"]) == ({"vbr_quality": 2, "title": "2024"}, "t")
    assert stored(services) == {**NOTHING, "uploads": 1, "upload_chunks": 1, "jobs": 1, "objects": 1}
    source = UploadSource(services.database, services.storage, job["source"]["upload_id"])
    assert source.read_at(0, 10**6) == VIDEO


def test_fields_may_come_after_the_file(ada: SignedIn) -> None:
    parts: list[tuple[str, Any]] = [("file", ("t.mp4", VIDEO)), ("bitrate_kbps", (None, "320")), ("title", (None, ""))]
    answer = ada.http.post("/v1/conversions", files=parts)
    assert answer.status_code == 202
    assert answer.json()["options"] == {"bitrate_kbps": 320}


def test_a_large_file_comes_through_a_form_unchanged(ada: SignedIn, services: Services) -> None:
    # Full of line ends and dashes: all that a boundary begins with.
    data = (b"\r\n--" * 1000 + b"\r\n-" * 333 + bytes(range(256))) * 1500
    job_id = convert(ada.http, data=data)
    upload_id = ada.http.get(f"/v1/conversions/{job_id}").json()["source"]["upload_id"]
    source = UploadSource(services.database, services.storage, upload_id)
    assert source.size_bytes == len(data)
    assert b"".join(source.stream()) == data


def test_a_finished_conversion_tells_its_result(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    mp3 = finish(services, job_id, samples=7)
    job = ada.http.get(f"/v1/conversions/{job_id}").json()
    assert (job["state"], job["percent"], job["error"]) == ("finished", 100, None)
    assert (job["result"]["size_bytes"], job["result"]["duration_s"]) == (len(mp3), 1.5)
    assert job["result"]["url"] == job["links"]["mp3"]
    assert job["created_at"] <= job["started_at"] <= job["ended_at"] < job["expires_at"]
    assert ada.http.get(f"/v1/conversions/{job_id}/report").json() == {"samples": 7}


def test_a_failed_conversion_tells_why(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    fail(services, job_id, NoAudio())
    job = ada.http.get(f"/v1/conversions/{job_id}").json()
    assert (job["state"], job["result"]) == ("failed", None)
    assert job["error"] == {"code": "no_audio", "detail": NoAudio().detail, "retryable": False}


def test_conversions_are_listed_in_pages_the_newest_first(ada: SignedIn) -> None:
    upload_id = upload(ada.http)
    made = [order(ada.http, upload_id).json()["id"] for _ in range(5)]
    listed: list[str] = []
    cursor: dict[str, Any] = {}
    for size in (2, 2, 1):
        page = ada.http.get("/v1/conversions", params={"limit": 2, **cursor}).json()
        assert len(page["items"]) == size
        listed += [job["id"] for job in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert listed == sorted(made, reverse=True)
    assert cursor == {"cursor": None}


def test_conversions_are_found_by_a_part_of_their_name_or_tag(ada: SignedIn, bob: SignedIn) -> None:
    """It should take the search as text, whatever means something in SQL, and find only one's own."""
    names = {"Holiday 50%.mp4": None, "holiday_2.mp4": None, "talk.mp4": "Holiday, cut"}
    for user in (ada, bob):
        for name, tag in names.items():
            order(user.http, upload(user.http, name=name), tag=tag)

    def found(search: str) -> list[str]:
        page = ada.http.get("/v1/conversions", params={"search": search}).json()
        return sorted(job["source"]["name"] for job in page["items"])

    assert found("HOLIDAY") == sorted(names)
    assert found("50%") == ["Holiday 50%.mp4"]
    assert found("_") == ["holiday_2.mp4"]
    assert found("' OR 1=1") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=" + "G" * 32])
def test_a_wrong_page_is_an_invalid_request(ada: SignedIn, query: str) -> None:
    answer = ada.http.get(f"/v1/conversions?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["field"].startswith("query.")


def test_a_queued_conversion_is_canceled_at_once_then_deleted(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    canceled = ada.http.delete(f"/v1/conversions/{job_id}")
    assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")
    deleted = ada.http.delete(f"/v1/conversions/{job_id}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert stored(services)["jobs"] == 0
    assert ada.http.delete(f"/v1/conversions/{job_id}").status_code == 404


def test_a_running_conversion_is_asked_to_end(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    claim(services, job_id)
    answer = ada.http.delete(f"/v1/conversions/{job_id}")
    assert (answer.status_code, answer.json()["state"]) == (202, "processing")


def test_a_finished_conversion_is_deleted_with_its_mp3(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    finish(services, job_id)
    assert stored(services)["objects"] == 2
    assert ada.http.delete(f"/v1/conversions/{job_id}").status_code == 204
    assert stored(services) == {**NOTHING, "uploads": 1, "upload_chunks": 1, "objects": 1}


def test_a_failed_conversion_is_tried_again_as_a_new_one(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http, vbr_quality="4", tag="t")
    refused = ada.http.post(f"/v1/conversions/{job_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    fail(services, job_id, NoAudio())
    answer = ada.http.post(f"/v1/conversions/{job_id}/retry")
    assert answer.status_code == 202
    job = answer.json()
    assert job["id"] != job_id
    assert answer.headers["location"] == f"/v1/conversions/{job['id']}"
    assert (job["state"], job["options"], job["tag"]) == ("queued", {"vbr_quality": 4}, "t")
    assert state_of(ada.http, job_id) == "failed"


def test_an_error_of_the_engine_says_that_it_may_pass(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    for _ in range(FAILURES_LIMIT):
        with services.database.write() as session:
            session.execute(update(Job).values(not_before=0))
        fail(services, job_id, TimeLimitReached())
    job = ada.http.get(f"/v1/conversions/{job_id}").json()
    assert (job["error"]["code"], job["error"]["retryable"]) == ("time_limit_reached", True)
    mp3 = ada.http.get(f"/v1/conversions/{job_id}/mp3")
    assert (mp3.status_code, mp3.json()["code"]) == (409, "time_limit_reached")


# -- Idempotency-Key ----------------------------------------------------------------------------------


def test_the_same_order_twice_with_a_key_is_one_conversion(ada: SignedIn, services: Services) -> None:
    upload_id = upload(ada.http)
    first = order(ada.http, upload_id, "k1", options={"vbr_quality": 2})
    second = order(ada.http, upload_id, "k1", options={"vbr_quality": 2})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert order(ada.http, upload_id, "k2", options={"vbr_quality": 2}).json()["id"] != first.json()["id"]
    assert stored(services)["jobs"] == 2


def test_a_key_for_another_order_is_refused(ada: SignedIn, services: Services) -> None:
    upload_id = upload(ada.http)
    order(ada.http, upload_id, "k")
    refused = order(ada.http, upload_id, "k", options={"vbr_quality": 2})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert stored(services)["jobs"] == 1


def test_the_same_form_twice_with_a_key_stores_one_file(ada: SignedIn, services: Services) -> None:
    def send(data: bytes, key: str) -> httpx.Response:
        files = {"file": ("talk.mp4", data)}
        return ada.http.post("/v1/conversions", files=files, headers={"Idempotency-Key": key})

    first = send(VIDEO, "k")
    assert send(VIDEO, "k").json()["id"] == first.json()["id"]
    assert stored(services) == {**NOTHING, "uploads": 1, "upload_chunks": 1, "jobs": 1, "objects": 1}
    refused = send(VIDEO[::-1], "k")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert stored(services) == {**NOTHING, "uploads": 1, "upload_chunks": 1, "jobs": 1, "objects": 1}
    assert send(VIDEO[::-1], "k2").status_code == 202
    assert stored(services)["objects"] == 2


def test_a_key_is_its_user_s_own(ada: SignedIn, bob: SignedIn) -> None:
    jobs = {order(user.http, upload(user.http), "k").json()["id"] for user in (ada, bob)}
    assert len(jobs) == 2


def test_no_email_may_be_wanted_about_a_conversion(ada: SignedIn) -> None:
    by_id = order(ada.http, upload(ada.http), email_notifications=False).json()
    assert by_id["email_notifications"] is False
    for text, wanted in (("false", False), ("true", True)):
        job_id = convert(ada.http, email_notifications=text)
        assert ada.http.get(f"/v1/conversions/{job_id}").json()["email_notifications"] is wanted
    files, data = {"file": ("talk.mp4", VIDEO)}, {"email_notifications": "perhaps"}
    answer = ada.http.post("/v1/conversions", files=files, data=data)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "email_notifications")
    ada.http.delete(f"/v1/conversions/{by_id['id']}").raise_for_status()
    again = ada.http.post(f"/v1/conversions/{by_id['id']}/retry").json()
    assert again["email_notifications"] is False
