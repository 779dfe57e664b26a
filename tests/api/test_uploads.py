import httpx
import pytest

from tests.api.conftest import SignedIn
from tests.api.stored import NOTHING, VIDEO, convert, finish, stored, upload
from video2mp3.api.frame.services import Services
from video2mp3.uploads import UploadSource


def test_a_body_is_stored_as_it_came(ada: SignedIn, services: Services) -> None:
    answer = ada.http.post("/v1/uploads", params={"name": "talk.mp4"}, content=VIDEO)
    assert answer.status_code == 201
    found = answer.json()
    assert answer.headers["location"] == f"/v1/uploads/{found['id']}"
    assert (found["name"], found["size_bytes"], found["state"]) == ("talk.mp4", len(VIDEO), "complete")
    assert found["created_at"] < found["expires_at"]
    assert UploadSource(services.database, services.storage, found["id"]).read_at(0, 10**6) == VIDEO
    assert ada.http.get(f"/v1/uploads/{found['id']}").json() == found


def test_a_body_without_a_declared_size_is_stored_too(ada: SignedIn) -> None:
    answer = ada.http.post("/v1/uploads", content=iter([VIDEO, b"", VIDEO]))
    assert answer.status_code == 201
    assert answer.json()["size_bytes"] == 2 * len(VIDEO)
    assert answer.json()["name"] == "upload"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="talk 1.mp4"', "talk 1.mp4"),
        ("attachment; filename=\"x\"; filename*=UTF-8''%E6%9D%B1%E4%BA%AC.mp4", "東京.mp4"),
        ('attachment; filename="../../etc/x.mp4"', "x.mp4"),
        ('attachment; filename="Größe.mp4"', "Größe.mp4"),
        ("attachment; filename*=no-such-charset''x.mp4", None),
        ("attachment", "upload"),
    ],
)
def test_the_name_can_come_in_a_header(ada: SignedIn, header: str, name: str | None) -> None:
    answer = ada.http.post("/v1/uploads", content=VIDEO, headers={b"Content-Disposition": header.encode()})
    assert answer.status_code == 201
    assert name is None or answer.json()["name"] == name


def test_the_headers_tell_how_much_is_stored(ada: SignedIn) -> None:
    answer = ada.http.head(f"/v1/uploads/{upload(ada.http)}")
    assert answer.status_code == 200
    assert (answer.headers["upload-offset"], answer.headers["upload-length"]) == (str(len(VIDEO)), str(len(VIDEO)))


def test_a_deleted_upload_is_gone_with_its_objects(ada: SignedIn, services: Services) -> None:
    upload_id = upload(ada.http)
    assert stored(services) == {**NOTHING, "uploads": 1, "upload_chunks": 1, "objects": 1}
    assert ada.http.delete(f"/v1/uploads/{upload_id}").status_code == 204
    assert stored(services) == NOTHING
    assert ada.http.delete(f"/v1/uploads/{upload_id}").status_code == 404


def test_an_upload_is_kept_while_a_conversion_needs_it(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    upload_id = ada.http.get(f"/v1/conversions/{job_id}").json()["source"]["upload_id"]
    refused = ada.http.delete(f"/v1/uploads/{upload_id}")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    finish(services, job_id)
    assert ada.http.delete(f"/v1/uploads/{upload_id}").status_code == 204
    assert ada.http.get(f"/v1/conversions/{job_id}").json()["source"]["upload_id"] is None
    assert ada.http.get(f"/v1/conversions/{job_id}/mp3").status_code == 200


@pytest.mark.parametrize("upload_id", ["x", "0" * 32, "0" * 33, "%00", "😀", "..%2f..%2fetc"])
def test_what_is_not_there_is_not_found(ada: SignedIn, upload_id: str) -> None:
    answer = ada.http.get(f"/v1/uploads/{upload_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_nobody_uploads_without_an_account(client: httpx.Client, services: Services) -> None:
    assert client.post("/v1/uploads", content=VIDEO).status_code == 401
    assert stored(services) == NOTHING
