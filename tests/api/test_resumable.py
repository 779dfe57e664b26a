"""The tus protocol, request by request; real clients and real trouble are in tests/acceptance."""

import base64
import hashlib
import os
import random
import threading
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from tests.api.conftest import Serve, SignedIn
from tests.api.stored import NOTHING, VIDEO, stored, upload
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job, Upload
from video2mp3.settings import Settings, load_settings
from video2mp3.uploads import UploadSource

MIB = 1024**2
TUS = {"Tus-Resumable": "1.0.0"}
PAIRS = 100 if os.environ.get("TESTS_SOAK_UPLOADS") else 15
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Limits in the default's proportions, of a size that fits on any disk."""
    return load_settings(data_dir=tmp_path, max_upload_bytes=80 * MIB, max_user_bytes=1000 * MIB)


def begin(http: httpx.Client, length: int | None = len(VIDEO), metadata: str = "") -> str:
    declared = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    told = {"Upload-Metadata": metadata} if metadata else {}
    answer = http.post("/v1/uploads", headers={**TUS, **declared, **told})
    assert (answer.status_code, answer.content) == (201, b""), answer.text
    return answer.headers["location"].removeprefix("/v1/uploads/")


def patch(http: httpx.Client, upload_id: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    return http.patch(
        f"/v1/uploads/{upload_id}", content=data, headers={**BYTES, "Upload-Offset": str(offset), **headers}
    )


def head(http: httpx.Client, upload_id: str) -> httpx.Response:
    return http.head(f"/v1/uploads/{upload_id}", headers=TUS)


def checksum(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def bytes_of(services: Services, upload_id: str) -> bytes:
    return b"".join(UploadSource(services.database, services.storage, upload_id).stream())


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["tus-resumable"] == "1.0.0"
    return answer.status_code, answer.json()["code"]


def test_the_service_says_what_it_speaks(client: httpx.Client) -> None:
    for path in ("/v1/uploads", "/v1/uploads/" + "0" * 32):
        answer = client.options(path)
        assert answer.status_code == 204
        assert answer.headers["tus-version"] == "1.0.0"
        assert answer.headers["tus-max-size"] == str(80 * MIB)
        assert set(answer.headers["tus-checksum-algorithm"].split(",")) == {"sha1", "sha256", "md5"}
        assert set(answer.headers["tus-extension"].split(",")) == {
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "checksum",
            "expiration",
            "termination",
        }


def test_an_upload_comes_in_parts(ada: SignedIn, services: Services) -> None:
    metadata = f"filename {base64.b64encode('Größe.mp4'.encode()).decode()},is_private"
    upload_id = begin(ada.http, metadata=metadata)
    for start, end in ((0, 700), (700, 701), (701, len(VIDEO))):
        found = head(ada.http, upload_id)
        assert (found.status_code, found.headers["upload-offset"]) == (200, str(start))
        assert found.headers["upload-length"] == str(len(VIDEO))
        assert found.headers["upload-metadata"] == metadata
        assert found.headers["cache-control"] == "no-store"
        assert parsedate_to_datetime(found.headers["upload-expires"])
        answer = patch(ada.http, upload_id, start, VIDEO[start:end])
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(end))
        assert answer.headers["tus-resumable"] == "1.0.0"
    assert "upload-expires" not in answer.headers
    assert bytes_of(services, upload_id) == VIDEO
    told = ada.http.get(f"/v1/uploads/{upload_id}").json()
    assert (told["name"], told["state"], told["received_bytes"]) == ("Größe.mp4", "complete", len(VIDEO))


def test_the_first_bytes_can_come_with_the_creation(ada: SignedIn, services: Services) -> None:
    answer = ada.http.post("/v1/uploads", content=VIDEO[:100], headers={**BYTES, "Upload-Length": str(len(VIDEO))})
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "100")
    upload_id = answer.headers["location"].rpartition("/")[2]
    assert patch(ada.http, upload_id, 100, VIDEO[100:]).status_code == 204
    assert bytes_of(services, upload_id) == VIDEO


def test_the_length_can_be_told_later(ada: SignedIn, services: Services) -> None:
    upload_id = begin(ada.http, None)
    assert head(ada.http, upload_id).headers["upload-defer-length"] == "1"
    assert patch(ada.http, upload_id, 0, VIDEO[:500]).status_code == 204
    assert ada.http.get(f"/v1/uploads/{upload_id}").json()["state"] == "open"
    assert code_of(patch(ada.http, upload_id, 500, b"", **{"Upload-Length": "499"})) == (400, "invalid_upload_header")
    assert patch(ada.http, upload_id, 500, VIDEO[500:900], **{"Upload-Length": str(len(VIDEO))}).status_code == 204
    wrong = patch(ada.http, upload_id, 900, b"", **{"Upload-Length": "1000"})
    assert code_of(wrong) == (400, "invalid_upload_header")
    assert patch(ada.http, upload_id, 900, VIDEO[900:]).status_code == 204
    assert bytes_of(services, upload_id) == VIDEO


def test_a_length_that_has_come_already_ends_the_upload(ada: SignedIn) -> None:
    upload_id = begin(ada.http, None)
    assert patch(ada.http, upload_id, 0, VIDEO).status_code == 204
    assert patch(ada.http, upload_id, len(VIDEO), b"", **{"Upload-Length": str(len(VIDEO))}).status_code == 204
    assert ada.http.get(f"/v1/uploads/{upload_id}").json()["state"] == "complete"


def test_an_empty_file_is_an_upload_too(ada: SignedIn) -> None:
    assert ada.http.get(f"/v1/uploads/{begin(ada.http, 0)}").json()["state"] == "complete"


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
def test_a_checksum_decides_whether_bytes_are_kept(ada: SignedIn, services: Services, algorithm: str) -> None:
    upload_id = begin(ada.http)
    before = stored(services)
    wrong = patch(ada.http, upload_id, 0, VIDEO[:800], **{"Upload-Checksum": checksum(VIDEO[:799], algorithm)})
    assert code_of(wrong) == (460, "checksum_mismatch")
    assert stored(services) == before
    right = patch(ada.http, upload_id, 0, VIDEO[:800], **{"Upload-Checksum": checksum(VIDEO[:800], algorithm)})
    assert (right.status_code, right.headers["upload-offset"]) == (204, "800")
    assert bytes_of(services, upload_id) == VIDEO[:800]


def test_many_chunks_are_kept_only_with_their_checksum(ada: SignedIn, services: Services) -> None:
    """It should list nothing before all is known to be right, however much it is."""
    data = random.Random(1).randbytes(20 * 1024**2)
    upload_id = begin(ada.http, len(data))
    before = stored(services)
    wrong = patch(ada.http, upload_id, 0, data, **{"Upload-Checksum": checksum(b"other")})
    assert code_of(wrong) == (460, "checksum_mismatch")
    assert stored(services) == before
    assert patch(ada.http, upload_id, 0, data, **{"Upload-Checksum": checksum(data)}).status_code == 204
    assert bytes_of(services, upload_id) == data


@pytest.mark.parametrize("value", ["crc32 AAAA", "sha1", "sha1 no-base64", "sha1 AAAA", ""])
def test_a_checksum_that_cannot_be_checked_is_refused(ada: SignedIn, value: str) -> None:
    upload_id = begin(ada.http)
    assert code_of(patch(ada.http, upload_id, 0, b"x", **{"Upload-Checksum": value})) == (400, "invalid_upload_header")


def test_only_the_place_where_it_stopped_is_gone_on_at(ada: SignedIn, services: Services) -> None:
    upload_id = begin(ada.http)
    assert patch(ada.http, upload_id, 0, VIDEO[:500]).status_code == 204
    for offset in (0, 499, 501):
        assert code_of(patch(ada.http, upload_id, offset, b"x")) == (409, "wrong_offset")
    assert bytes_of(services, upload_id) == VIDEO[:500]


@pytest.mark.parametrize("declared", [True, False])
def test_more_than_the_length_is_refused(ada: SignedIn, services: Services, declared: bool) -> None:
    upload_id = begin(ada.http, 10)
    content = b"x" * 11 if declared else iter([b"x" * 6, b"x" * 5])
    answer = ada.http.patch(f"/v1/uploads/{upload_id}", content=content, headers={**BYTES, "Upload-Offset": "0"})
    assert code_of(answer) == (413, "upload_too_large")
    assert bytes_of(services, upload_id) == b""
    assert patch(ada.http, upload_id, 0, b"x" * 10).status_code == 204
    assert code_of(patch(ada.http, upload_id, 10, b"x")) == (413, "upload_too_large")


def test_more_than_the_service_takes_is_refused(ada: SignedIn, services: Services) -> None:
    largest = services.settings.max_upload_bytes
    answer = ada.http.post("/v1/uploads", headers={**TUS, "Upload-Length": str(largest + 1)})
    assert code_of(answer) == (413, "upload_too_large")
    assert stored(services) == NOTHING
    upload_id = begin(ada.http, None)
    wrong = patch(ada.http, upload_id, 0, b"", **{"Upload-Length": str(largest + 1)})
    assert code_of(wrong) == (413, "upload_too_large")
    assert begin(ada.http, largest)


def test_the_room_of_an_account_is_asked_before_a_byte_comes(
    ada: SignedIn, services: Services, settings: Settings
) -> None:
    largest = {**TUS, "Upload-Length": str(settings.max_upload_bytes)}
    answer = ada.http.post("/v1/uploads", headers=largest)
    assert answer.status_code == 201
    # What is declared counts: thirteen times the largest are more than an account's room.
    for _ in range(11):
        begin(ada.http, settings.max_upload_bytes)
    refused = ada.http.post("/v1/uploads", headers=largest)
    assert code_of(refused) == (403, "quota_exceeded")
    # One that is gone on with is not counted twice.
    assert patch(ada.http, answer.headers["location"].rpartition("/")[2], 0, b"x").status_code == 204


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, (400, "invalid_upload_header")),
        ({"Upload-Length": "x"}, (400, "invalid_upload_header")),
        ({"Upload-Length": "-1"}, (400, "invalid_upload_header")),
        ({"Upload-Length": "9" * 19}, (400, "invalid_upload_header")),
        ({"Upload-Length": "9", "Upload-Defer-Length": "1"}, (400, "invalid_upload_header")),
        ({"Upload-Defer-Length": "0"}, (400, "invalid_upload_header")),
        ({"Upload-Length": "9", "Upload-Metadata": "filename ???"}, (400, "invalid_upload_header")),
        ({"Upload-Length": "9", "Upload-Metadata": ","}, (400, "invalid_upload_header")),
        ({"Upload-Length": "9", "Upload-Metadata": "a" * 8193}, (400, "invalid_upload_header")),
    ],
)
def test_a_creation_without_its_headers_is_refused(
    ada: SignedIn, services: Services, headers: dict[str, str], found: tuple[int, str]
) -> None:
    assert code_of(ada.http.post("/v1/uploads", headers={**TUS, **headers})) == found
    assert stored(services) == NOTHING


def test_other_content_types_are_refused(ada: SignedIn, services: Services) -> None:
    answer = ada.http.post("/v1/uploads", content=b"x", headers={**TUS, "Upload-Length": "1", "Content-Type": "a/b"})
    assert code_of(answer) == (415, "unsupported_media_type")
    upload_id = begin(ada.http)
    wrong = patch(ada.http, upload_id, 0, b"x", **{"Content-Type": "application/octet-stream"})
    assert code_of(wrong) == (415, "unsupported_media_type")


def test_another_version_is_refused(ada: SignedIn) -> None:
    upload_id = begin(ada.http)
    for version in ({"Tus-Resumable": "0.2.2"}, {}):
        headers = {"Content-Type": BYTES["Content-Type"], "Upload-Offset": "0", **version}
        answer = ada.http.patch(f"/v1/uploads/{upload_id}", content=b"x", headers=headers)
        assert code_of(answer) == (412, "wrong_tus_version")
        assert answer.headers["tus-version"] == "1.0.0"
    assert ada.http.post("/v1/uploads", headers={"Tus-Resumable": "2.0.0", "Upload-Length": "1"}).status_code == 412


def test_an_offset_that_is_missing_is_refused(ada: SignedIn) -> None:
    answer = ada.http.patch(f"/v1/uploads/{begin(ada.http)}", content=b"x", headers=BYTES)
    assert code_of(answer) == (400, "invalid_upload_header")


def test_an_upload_whose_time_is_over_is_gone(ada: SignedIn, services: Services) -> None:
    upload_id = begin(ada.http)
    assert patch(ada.http, upload_id, 0, b"x").status_code == 204
    with services.database.write() as session:
        session.execute(update(Upload).values(expires_at=1))
    assert code_of(patch(ada.http, upload_id, 1, b"x")) == (410, "expired")
    assert head(ada.http, upload_id).status_code == 410


def test_bytes_that_come_put_its_end_off(ada: SignedIn, services: Services) -> None:
    upload_id = begin(ada.http)
    with services.database.write() as session:
        soon = session.scalars(select(Upload.expires_at)).one() - 10**10
        session.execute(update(Upload).values(expires_at=soon))
    assert patch(ada.http, upload_id, 0, b"x").status_code == 204
    with services.database.read() as session:
        assert session.scalars(select(Upload.expires_at)).one() > soon


def test_another_user_s_upload_is_not_there(ada: SignedIn, bob: SignedIn, services: Services) -> None:
    upload_id = begin(ada.http)
    before = stored(services)
    assert code_of(patch(bob.http, upload_id, 0, b"x")) == (404, "not_found")
    assert head(bob.http, upload_id).status_code == 404
    assert code_of(bob.http.delete(f"/v1/uploads/{upload_id}", headers=TUS)) == (404, "not_found")
    assert stored(services) == before
    assert patch(ada.http, upload_id, 0, b"x").status_code == 204


def test_without_an_account_nothing_begins(client: httpx.Client, services: Services) -> None:
    assert client.post("/v1/uploads", headers={**TUS, "Upload-Length": "1"}).status_code == 401
    assert stored(services) == NOTHING


def test_an_upload_is_ended_by_its_owner(ada: SignedIn, services: Services) -> None:
    upload_id = begin(ada.http)
    assert patch(ada.http, upload_id, 0, b"x").status_code == 204
    answer = ada.http.delete(f"/v1/uploads/{upload_id}", headers=TUS)
    assert (answer.status_code, answer.headers["tus-resumable"]) == (204, "1.0.0")
    assert stored(services) == NOTHING
    assert code_of(patch(ada.http, upload_id, 1, b"x")) == (404, "not_found")


def test_post_can_stand_for_other_methods(ada: SignedIn, services: Services) -> None:
    upload_id = begin(ada.http)
    headers = {**BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
    assert ada.http.post(f"/v1/uploads/{upload_id}", content=VIDEO, headers=headers).status_code == 204
    answer = ada.http.post(f"/v1/uploads/{upload_id}", headers={**TUS, "X-HTTP-Method-Override": "HEAD"})
    assert answer.headers["upload-offset"] == str(len(VIDEO))
    gone = ada.http.post(f"/v1/uploads/{upload_id}", headers={**TUS, "X-HTTP-Method-Override": "DELETE"})
    assert (gone.status_code, stored(services)) == (204, NOTHING)


def test_conversions_that_wait_are_queued_with_the_last_byte(ada: SignedIn, services: Services) -> None:
    upload_id = begin(ada.http)
    assert patch(ada.http, upload_id, 0, VIDEO[:9]).status_code == 204
    assert ada.http.post("/v1/conversions", json={"upload_id": upload_id}).json()["state"] == "waiting"
    assert patch(ada.http, upload_id, 9, VIDEO[9:-1]).status_code == 204
    assert state_of_job(services) == "waiting"
    assert patch(ada.http, upload_id, len(VIDEO) - 1, VIDEO[-1:]).status_code == 204
    assert state_of_job(services) == "queued"


def test_any_other_process_takes_the_next_part(ada: SignedIn, services: Services, serve: Serve) -> None:
    upload_id = begin(ada.http)
    assert patch(ada.http, upload_id, 0, VIDEO[:1000]).status_code == 204
    with httpx.Client(base_url=serve(services), headers=ada.http.headers) as other:
        assert head(other, upload_id).headers["upload-offset"] == "1000"
        assert patch(other, upload_id, 1000, VIDEO[1000:]).status_code == 204
    assert bytes_of(services, upload_id) == VIDEO


def test_of_two_writers_at_once_one_wins(ada: SignedIn, services: Services) -> None:
    """It should store the bytes of exactly one, each time."""
    numbers = random.Random(3)
    whole = b""
    upload_id = begin(ada.http, None)
    for _ in range(PAIRS):
        pieces = [numbers.randbytes(numbers.randrange(1, 100_000)) for _ in range(2)]
        answers: dict[bytes, int] = {}
        start = threading.Barrier(2)

        def write(piece: bytes, offset: int, answers: dict[bytes, int], start: threading.Barrier) -> None:
            with httpx.Client(base_url=ada.http.base_url, headers=ada.http.headers, timeout=60) as http:
                start.wait()
                answers[piece] = patch(http, upload_id, offset, piece).status_code

        threads = [threading.Thread(target=write, args=(piece, len(whole), answers, start)) for piece in pieces]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answers.values()) == [204, 409]
        whole += next(piece for piece, status in answers.items() if status == 204)
    assert hashlib.sha256(bytes_of(services, upload_id)).digest() == hashlib.sha256(whole).digest()
    assert stored(services)["objects"] == stored(services)["upload_chunks"]


def test_small_parts_are_stored_as_few_chunks(ada: SignedIn, services: Services) -> None:
    data = random.Random(2).randbytes(6_000)
    upload_id = begin(ada.http, len(data))
    for start in range(0, len(data), 100):
        assert patch(ada.http, upload_id, start, data[start : start + 100]).status_code == 204
    assert bytes_of(services, upload_id) == data
    found = stored(services)
    assert found["upload_chunks"] == found["objects"] <= 8
    assert found["scratch"] == 0


def test_a_client_without_the_protocol_uploads_as_before(ada: SignedIn) -> None:
    upload_id = upload(ada.http)
    answer = ada.http.head(f"/v1/uploads/{upload_id}")
    assert (answer.headers["upload-offset"], "tus-resumable" in answer.headers) == (str(len(VIDEO)), False)


def state_of_job(services: Services) -> str:
    with services.database.read() as session:
        return session.scalars(select(Job.state)).one()
