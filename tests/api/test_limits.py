"""What a user may have, and what the service takes: checked before a byte is stored."""

import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, VIDEO, convert, fail, finish, stored, upload
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Upload, new_id
from video2mp3.errors import NoAudio
from video2mp3.settings import Settings, load_settings

MIB = 1024**2


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    return load_settings(data_dir=tmp_path, **request.param)


def limited(**settings: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("settings", [settings], indirect=True)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code; who is told to come again is told when."""
    if answer.status_code in (429, 503, 507):
        assert int(answer.headers["retry-after"]) > 0
    return answer.status_code, answer.json()["code"]


def send_form(user: SignedIn, data: bytes = VIDEO, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return user.http.post("/v1/conversions", files={"file": ("talk.mp4", data)}, headers=headers)


# -- Conversions that wait ----------------------------------------------------------------------------


@limited(max_user_jobs=3)
def test_a_user_may_have_so_many_conversions_waiting(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    """It should refuse on every route, store nothing, and take more as soon as one is done."""
    upload_id = upload(ada.http)
    order = {"upload_id": upload_id}
    jobs = [ada.http.post("/v1/conversions", json=order).json()["id"] for _ in range(2)]
    fail(services, jobs[0], NoAudio())
    jobs += [ada.http.post("/v1/conversions", json=order).json()["id"] for _ in range(2)]
    before = stored(services)
    answers = [
        ada.http.post("/v1/conversions", json=order),
        ada.http.post(f"/v1/conversions/{jobs[0]}/retry"),
        send_form(ada),
        ada.http.put("/v1/mp3", content=VIDEO),
        ada.http.post("/upload", files={"file": ("talk.mp4", VIDEO)}),
    ]
    assert [refused(answer) for answer in answers] == [(429, "too_many_jobs")] * 5
    assert stored(services) == before
    assert send_form(bob).status_code == 202
    finish(services, jobs[1])
    assert send_form(ada).status_code == 202


@limited(max_user_jobs=5)
def test_many_orders_at_once_do_not_pass_the_limit_together(ada: SignedIn) -> None:
    upload_id = upload(ada.http)
    with ThreadPoolExecutor(8) as pool:
        send = lambda _: ada.http.post("/v1/conversions", json={"upload_id": upload_id}).status_code  # noqa: E731
        answers = list(pool.map(send, range(16)))
    assert (answers.count(202), answers.count(429)) == (5, 11)


@limited(max_jobs=2)
def test_all_users_together_may_have_so_many_waiting(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    convert(ada.http)
    job_id = convert(bob.http)
    before = stored(services)
    assert refused(send_form(ada)) == (503, "overloaded")
    assert refused(bob.http.put("/v1/mp3/talk.mp4", content=VIDEO)) == (503, "overloaded")
    assert stored(services) == before
    finish(services, job_id)
    assert send_form(ada).status_code == 202


# -- Files that are being sent ------------------------------------------------------------------------


def open_upload(services: Services, user: SignedIn, size_bytes: int | None = None, silent_s: int = 0) -> None:
    """An upload that is being sent, to which something came that long ago."""
    with services.database.write() as session:
        session.add(
            Upload(
                id=new_id(),
                user_id=user.user_id,
                name="talk.mp4",
                size_bytes=size_bytes,
                received_bytes=100,
                created_at=1,
                expires_at=now() + 3600 * SECOND,
                active_at=now() - silent_s * SECOND,
            )
        )


@limited(max_user_uploads=2)
def test_a_user_may_send_so_many_files_at_once(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    open_upload(services, ada)
    open_upload(services, ada)
    before = stored(services)
    assert refused(ada.http.post("/v1/uploads", content=VIDEO)) == (429, "too_many_uploads")
    assert refused(send_form(ada)) == (429, "too_many_uploads")
    assert stored(services) == before
    assert bob.http.post("/v1/uploads", content=VIDEO).status_code == 201
    with services.database.write() as session:
        session.execute(update(Upload).values(active_at=now() - 3601 * SECOND))
    assert ada.http.post("/v1/uploads", content=VIDEO).status_code == 201


# -- Bytes that are stored ----------------------------------------------------------------------------


@limited(max_user_bytes=10_000)
def test_uploads_and_results_take_the_user_s_room(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    job_id = convert(ada.http, data=bytes(5000))
    finish(services, job_id, mp3=bytes(3000))
    before = stored(services)
    assert refused(ada.http.post("/v1/uploads", content=bytes(2001))) == (403, "quota_exceeded")
    assert refused(send_form(ada, bytes(2001))) == (403, "quota_exceeded")
    assert stored(services) == before
    assert ada.http.post("/v1/uploads", content=bytes(2000)).status_code == 201
    assert refused(ada.http.post("/v1/uploads", content=b"1")) == (403, "quota_exceeded")
    assert bob.http.post("/v1/uploads", content=bytes(10_000)).status_code == 201
    ada.http.delete(f"/v1/conversions/{job_id}").raise_for_status()
    assert ada.http.post("/v1/uploads", content=bytes(3000)).status_code == 201


@limited(max_user_bytes=20 * MIB)
def test_a_file_of_unknown_size_is_cut_off_where_the_room_ends(ada: SignedIn, services: Services) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(MIB)

    answer = ada.http.post("/v1/uploads", content=pieces())
    assert refused(answer) == (403, "quota_exceeded")
    assert stored(services) == NOTHING
    assert ada.http.post("/v1/uploads", content=bytes(20 * MIB)).status_code == 201


@limited(max_user_bytes=10_000)
def test_a_file_that_is_being_sent_takes_its_whole_size(ada: SignedIn, services: Services) -> None:
    """It should not count a size that was only declared, when the file was given up."""
    open_upload(services, ada, size_bytes=9000)
    assert refused(ada.http.post("/v1/uploads", content=bytes(1001))) == (403, "quota_exceeded")
    with services.database.write() as session:
        session.execute(update(Upload).values(active_at=1))
    assert ada.http.post("/v1/uploads", content=bytes(9900)).status_code == 201


# -- Room on the disk ---------------------------------------------------------------------------------


@limited(min_free_disk_bytes=2**60)
def test_nothing_is_taken_where_too_little_is_free(ada: SignedIn, services: Services) -> None:
    with services.database.write() as session:
        session.add(
            Upload(
                id="a" * 32,
                user_id=ada.user_id,
                name="t.mp4",
                state="complete",
                size_bytes=1,
                created_at=1,
                expires_at=2**60,
            )
        )
    before = stored(services)
    answers = [
        ada.http.post("/v1/uploads", content=VIDEO),
        ada.http.post("/v1/conversions", json={"upload_id": "a" * 32}),
        send_form(ada),
        ada.http.put("/v1/mp3", content=VIDEO),
    ]
    assert [refused(answer) for answer in answers] == [(507, "storage_full")] * 4
    assert stored(services) == before


@limited(min_free_disk_bytes=0, max_upload_bytes=2**60, max_user_bytes=2**60)
def test_a_file_has_to_fit_above_what_is_to_be_left(ada: SignedIn, services: Services) -> None:
    """It should be refused by its declared size, long before the disk is full."""
    declared_bytes = 2 * shutil.disk_usage(services.storage.scratch_folder).free
    url = ada.http.base_url
    head = f"POST /v1/uploads HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Length: {declared_bytes}\r\n"
    head += f"Authorization: Bearer {ada.access_token}\r\n\r\n"
    with socket.create_connection((url.host, url.port), timeout=30) as line:
        line.sendall(head.encode() + bytes(MIB))
        answer = b""
        while b"}" not in answer:
            answer += line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 507 ")
    assert b'"code":"storage_full"' in answer
    assert stored(services) == NOTHING


# -- Repeated requests --------------------------------------------------------------------------------


@limited(max_user_jobs=1, max_user_bytes=len(VIDEO))
def test_a_repeated_request_is_answered_where_the_limits_are_reached(ada: SignedIn, services: Services) -> None:
    first = send_form(ada, key="k")
    before = stored(services)
    again = send_form(ada, key="k")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert refused(send_form(ada, VIDEO[::-1], key="k")) == (422, "idempotency_key_reused")
    assert refused(send_form(ada, key="other")) == (429, "too_many_jobs")
    assert stored(services) == before


@limited()
def test_a_repeated_request_is_answered_when_its_upload_is_gone(ada: SignedIn, services: Services) -> None:
    upload_id = upload(ada.http)
    headers = {"Idempotency-Key": "k"}

    def order(tag: str | None = None) -> httpx.Response:
        return ada.http.post("/v1/conversions", json={"upload_id": upload_id, "tag": tag}, headers=headers)

    job_id = order().json()["id"]
    form_job_id = send_form(ada, key="form").json()["id"]
    for id_ in (job_id, form_job_id):
        finish(services, id_)
        ada.http.delete(f"/v1/uploads/{ada.http.get(f'/v1/conversions/{id_}').json()['source']['upload_id']}")
    assert stored(services)["uploads"] == 0
    assert (order().status_code, order().json()["id"]) == (202, job_id)
    assert refused(order(tag="t")) == (422, "idempotency_key_reused")
    assert send_form(ada, key="form").json()["id"] == form_job_id
    assert stored(services)["uploads"] == 0
    # A key that was never used finds no upload.
    headers["Idempotency-Key"] = "new"
    assert refused(order()) == (404, "not_found")


@limited()
def test_a_key_is_free_again_when_its_conversion_is_deleted(ada: SignedIn, services: Services) -> None:
    first = send_form(ada, key="k").json()["id"]
    finish(services, first)
    ada.http.delete(f"/v1/conversions/{first}").raise_for_status()
    again = send_form(ada, key="k")
    assert again.status_code == 202
    assert again.json()["id"] != first
