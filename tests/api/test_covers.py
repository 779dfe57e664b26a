"""A picture that is uploaded, as the cover of an MP3."""

from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, VIDEO, fail, stored, upload
from tests.api.test_mp3 import find_job, on_the_first_job
from video2mp3 import uploads
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job, Upload
from video2mp3.engine.options import MAX_COVER_BYTES
from video2mp3.errors import NoAudio

PICTURE = b"\xff\xd8\xff a picture"
OTHER_COVERS: list[dict[str, Any]] = [{"cover": "none"}, {"cover_at_s": 3}]


def order(http: httpx.Client, cover_upload_id: str, **options: Any) -> httpx.Response:
    json = {"upload_id": upload(http), "cover_upload_id": cover_upload_id, "options": options}
    return http.post("/v1/conversions", json=json)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_an_order_names_its_cover(ada: SignedIn, services: Services) -> None:
    picture = upload(ada.http, PICTURE)
    answer = order(ada.http, picture, bitrate_kbps=128)
    assert (answer.status_code, answer.json()["cover_upload_id"]) == (202, picture)
    assert answer.json()["options"] == {"bitrate_kbps": 128}
    job = find_job(services)
    assert job
    assert job.cover_upload_id == picture


def test_so_does_a_form_and_a_put(ada: SignedIn, services: Services) -> None:
    picture = upload(ada.http, PICTURE)
    fields = {"cover_upload_id": picture, "title": "Talk"}
    answer = ada.http.post("/v1/conversions", files={"file": ("talk.mp4", VIDEO)}, data=fields)
    assert (answer.status_code, answer.json()["cover_upload_id"]) == (202, picture)
    assert answer.json()["options"] == {"preset": "standard", "title": "Talk"}
    ada.http.delete(f"/v1/conversions/{answer.json()['id']}")
    ada.http.delete(f"/v1/conversions/{answer.json()['id']}")
    with on_the_first_job(services, lambda job_id: fail(services, job_id, NoAudio())):
        ada.http.put("/v1/mp3", params={"cover_upload_id": picture}, content=VIDEO)
    job = find_job(services)
    assert job
    assert job.cover_upload_id == picture


@pytest.mark.parametrize("kind", ["another's", "missing", "no id at all"])
def test_a_cover_that_is_not_there_or_another_s_is_not_found(
    kind: str, ada: SignedIn, bob: SignedIn, services: Services
) -> None:
    cover = {"another's": upload(bob.http, PICTURE), "missing": "0" * 32, "no id at all": "../x\x00"}[kind]
    before = stored(services)
    assert refusal(order(ada.http, cover)) == (404, "not_found")
    files = {"file": ("talk.mp4", VIDEO)}
    answer = ada.http.post("/v1/conversions", files=files, data={"cover_upload_id": cover})
    assert refusal(answer) == (404, "not_found")
    assert refusal(ada.http.put("/v1/mp3", params={"cover_upload_id": cover}, content=VIDEO)) == (404, "not_found")
    after = stored(services)
    assert after["jobs"] == 0
    assert after["uploads"] == before["uploads"] + 1  # that of the first order


def test_a_cover_that_is_too_large_or_not_whole_is_refused(ada: SignedIn, services: Services) -> None:
    largest = upload(ada.http, bytes(MAX_COVER_BYTES))
    assert order(ada.http, largest).status_code == 202
    too_large = order(ada.http, upload(ada.http, bytes(MAX_COVER_BYTES + 1)))
    assert refusal(too_large) == (422, "invalid_option")
    assert "5 MB" in too_large.json()["detail"]
    with services.database.write() as session:
        session.execute(update(Upload).where(Upload.id == largest).values(state="open"))
    assert refusal(order(ada.http, largest)) == (422, "invalid_option")


@pytest.mark.parametrize("other", OTHER_COVERS)
def test_one_cover_excludes_the_others(other: dict[str, Any], ada: SignedIn, services: Services) -> None:
    picture = upload(ada.http, PICTURE)
    answer = order(ada.http, picture, **other)
    assert refusal(answer) == (422, "invalid_option")
    assert "cover_upload_id: cannot be used together with" in answer.json()["detail"]
    before = stored(services)
    fields = {"cover_upload_id": picture, **{name: str(value) for name, value in other.items()}}
    answer = ada.http.post("/v1/conversions", files={"file": ("talk.mp4", VIDEO)}, data=fields)
    assert refusal(answer) == (422, "invalid_option")
    assert refusal(ada.http.put("/v1/mp3", params=fields, content=VIDEO)) == (422, "invalid_option")
    assert stored(services) == before


def test_the_bytes_of_a_picture_are_no_option_over_http(ada: SignedIn, services: Services) -> None:
    for options in ({"cover_picture": "/9j/4AAQ"}, {"cover_picture": None}):
        answer = ada.http.post("/v1/conversions", json={"upload_id": "0" * 32, "options": options})
        assert refusal(answer) == (422, "invalid_option")
        assert "cover_upload_id" in answer.json()["detail"]
    answer = ada.http.post(
        "/v1/conversions", files={"file": ("talk.mp4", VIDEO)}, data={"cover_picture": "\xff\xd8\xff"}
    )
    assert refusal(answer) == (422, "invalid_option")
    assert "cover_picture" not in ada.http.get("/openapi.json").text
    assert "cover_at_s" in ada.http.get("/openapi.json").text
    assert stored(services) == NOTHING


def test_a_cover_stays_as_long_as_a_conversion_needs_it(ada: SignedIn, services: Services) -> None:
    picture = upload(ada.http, PICTURE)
    job_id = order(ada.http, picture).json()["id"]
    assert refusal(ada.http.delete(f"/v1/uploads/{picture}")) == (409, "conflict")
    with services.database.write() as session:
        session.execute(update(Upload).values(expires_at=0))
        assert uploads.delete_expired(session, 10) == (0, [])
    fail(services, job_id, NoAudio())
    with services.database.write() as session:
        assert uploads.delete_expired(session, 10)[0] == 2
    assert ada.http.get(f"/v1/uploads/{picture}").status_code == 404


def test_a_conversion_is_tried_again_with_its_cover_or_not_at_all(ada: SignedIn, services: Services) -> None:
    picture = upload(ada.http, PICTURE)
    job_id = order(ada.http, picture).json()["id"]
    fail(services, job_id, NoAudio())
    again = ada.http.post(f"/v1/conversions/{job_id}/retry")
    assert (again.status_code, again.json()["cover_upload_id"]) == (202, picture)
    fail(services, again.json()["id"], NoAudio())
    assert ada.http.delete(f"/v1/uploads/{picture}").status_code == 204
    assert refusal(ada.http.post(f"/v1/conversions/{job_id}/retry")) == (410, "upload_deleted")


def test_a_key_stands_for_one_cover(ada: SignedIn, services: Services) -> None:
    video, *pictures = upload(ada.http), upload(ada.http, PICTURE), upload(ada.http, PICTURE)
    key = {"Idempotency-Key": "k"}
    orders = [{"upload_id": video, "cover_upload_id": picture} for picture in pictures]
    first, same, other = (ada.http.post("/v1/conversions", json=o, headers=key) for o in (orders[0], *orders))
    assert first.json()["id"] == same.json()["id"]
    assert refusal(other) == (422, "idempotency_key_reused")
    with services.database.read() as session:
        assert session.query(Job).count() == 1
