import dataclasses
import hashlib
import re
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from tests.api.conftest import Serve, SignedIn
from tests.api.stored import VIDEO, convert, fail, finish
from tests.servers import Bucket, wait_until
from video2mp3.api.frame.disposition import filename_of
from video2mp3.api.frame.range_response import parse_range
from video2mp3.api.frame.services import Services
from video2mp3.errors import NoAudio, RangeNotSatisfiable
from video2mp3.jobs import lifecycle
from video2mp3.settings import Settings
from video2mp3.storage.attachment import attachment

MP3 = bytes(range(256)) * 2000
ETAG = f'"{hashlib.sha256(MP3).hexdigest()}"'


def test_the_mp3_is_downloaded_whole(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http, "My talk.mp4")
    finish(services, job_id, MP3)
    answer = ada.http.get(f"/v1/conversions/{job_id}/mp3")
    assert (answer.status_code, answer.content) == (200, MP3)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["content-length"] == str(len(MP3))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == ETAG
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"My talk.mp3\"; filename*=UTF-8''My%20talk.mp3"
    )


def test_head_tells_the_same_without_the_bytes(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    finish(services, job_id, MP3)
    answer, whole = (ada.http.request(method, f"/v1/conversions/{job_id}/mp3") for method in ("HEAD", "GET"))
    assert (answer.status_code, answer.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "accept-ranges", "content-disposition"):
        assert answer.headers[name] == whole.headers[name]


RANGES: list[tuple[dict[str, str], int, int, int]] = [
    ({"Range": "bytes=0-99"}, 206, 0, 100),
    ({"Range": "bytes=500000-"}, 206, 500_000, 512_000),
    ({"Range": "bytes=-7"}, 206, 511_993, 512_000),
    ({"Range": "bytes=-999999"}, 206, 0, 512_000),
    ({"Range": "bytes=511999-9999999999"}, 206, 511_999, 512_000),
    ({"Range": "bytes=100-400000"}, 206, 100, 400_001),
    ({"Range": "bytes=0-0", "If-Range": ETAG}, 206, 0, 1),
    ({"Range": "bytes=0-0", "If-Range": '"another"'}, 200, 0, 512_000),
    ({"Range": "bytes=0-0", "If-Range": "Wed, 21 Oct 2026 07:28:00 GMT"}, 200, 0, 512_000),
    ({"Range": "bytes=0-1,5-6"}, 200, 0, 512_000),
    ({"Range": "bytes=5-4"}, 200, 0, 512_000),
    ({"Range": "lines=1-2"}, 200, 0, 512_000),
    ({"Range": "bytes=a-b"}, 200, 0, 512_000),
    ({"Range": "bytes=512000-"}, 416, 0, 0),
    ({"Range": "bytes=-0"}, 416, 0, 0),
    ({"If-None-Match": ETAG}, 304, 0, 0),
    ({"If-None-Match": f'"x", W/{ETAG}'}, 304, 0, 0),
    ({"If-None-Match": "*"}, 304, 0, 0),
    ({"If-None-Match": '"x"'}, 200, 0, 512_000),
    ({"If-None-Match": ETAG, "Range": "bytes=0-1"}, 304, 0, 0),
]


def test_ranges_and_conditions(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    finish(services, job_id, MP3)
    wrong = []
    for headers, status, start, end in RANGES:
        answer = ada.http.get(f"/v1/conversions/{job_id}/mp3", headers=headers)
        found = (answer.status_code, answer.headers.get("content-range"))
        content_range = {206: f"bytes {start}-{end - 1}/512000", 416: "bytes */512000"}.get(status)
        if found != (status, content_range):
            wrong.append((headers, *found))
        if status in (200, 206):
            assert answer.content == MP3[start:end]
            assert answer.headers["content-length"] == str(end - start)
        if status == 304:
            assert (answer.content, answer.headers["etag"]) == (b"", ETAG)
    assert wrong == []


def test_what_is_not_finished_says_so(ada: SignedIn, services: Services) -> None:
    waiting, failed, canceled = (convert(ada.http) for _ in range(3))
    fail(services, failed, NoAudio())
    ada.http.delete(f"/v1/conversions/{canceled}").raise_for_status()
    for job_id, status, code in [
        (waiting, 409, "not_finished"),
        (failed, 422, "no_audio"),
        (canceled, 409, "canceled"),
    ]:
        for path in ("mp3", "report"):
            answer = ada.http.get(f"/v1/conversions/{job_id}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_expired_mp3_says_so_and_the_report_stays(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    finish(services, job_id, samples=7)
    with services.database.write() as session:
        job = lifecycle.find(session, job_id, ada.user_id)
        job.expires_at = 1
    with services.database.write() as session:
        found, keys = lifecycle.expire(session, 10)
    assert (found, len(keys)) == (1, 1)
    answer = ada.http.get(f"/v1/conversions/{job_id}/mp3")
    assert (answer.status_code, answer.json()["code"]) == (410, "expired")
    assert ada.http.get(f"/v1/conversions/{job_id}").json()["result"]["url"] is None
    assert ada.http.get(f"/v1/conversions/{job_id}/report").json() == {"samples": 7}


def test_an_mp3_whose_object_is_gone_is_not_half_an_answer(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    finish(services, job_id)
    for found in list(services.storage.list("results/")):
        services.storage.delete(found.key)
    answer = ada.http.get(f"/v1/conversions/{job_id}/mp3")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_download_of_what_is_deleted_meanwhile_is_cut_and_no_fault(
    ada: SignedIn, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = convert(ada.http)
    finish(services, job_id, bytes(50_000_000))  # more than fits into the buffers of a connection
    path = f"/v1/conversions/{job_id}"
    with structlog.testing.capture_logs() as logged:
        with ada.http.stream("GET", f"{path}/mp3") as answer:
            pieces = answer.iter_raw(1000)
            next(pieces)
            with httpx.Client(base_url=ada.http.base_url, headers=ada.http.headers) as other:
                assert other.delete(path).status_code == 204
            with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
                list(pieces)
        wait_until(lambda: [line for line in logged if line.get("path") == f"{path}/mp3"], 10, "the line in the log")
    assert [line["error"] for line in logged if line["event"] == "response_aborted"] == ["not_found"]
    assert [line for line in logged if "exc_info" in line] == []
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    ("name", "plain", "encoded"),
    [
        ("talk.mp4", "talk.mp3", "talk.mp3"),
        ("../../x\r\ny.mp4", "x_0D_0Ay.mp3", "x%250D%250Ay.mp3"),
        ('a"b;c\\d.mp4', "d.mp3", "d.mp3"),
        ('say "hi"; rm.mp4', "say _hi__ rm.mp3", "say%20%22hi%22%3B%20rm.mp3"),
        ("Größe 東京.mov", "Gro_e __.mp3", "Gr%C3%B6%C3%9Fe%20%E6%9D%B1%E4%BA%AC.mp3"),
        ("東京", "__.mp3", "%E6%9D%B1%E4%BA%AC.mp3"),
    ],
)
def test_the_file_name_is_harmless(ada: SignedIn, services: Services, name: str, plain: str, encoded: str) -> None:
    job_id = convert(ada.http, name)
    finish(services, job_id)
    header = ada.http.get(f"/v1/conversions/{job_id}/mp3").headers["content-disposition"]
    match = re.fullmatch(r"""attachment; filename="([^"\\\r\n]+)"; filename\*=UTF-8''([!#$&+.^_`|~%\w-]+)""", header)
    assert match
    assert (match[1], match[2]) == (plain, encoded)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Lecture 1", "Lecture 1.mp3"),
        ("Lecture 1.MP3", "Lecture 1.mp3"),
        ("v1.2", "v1.2.mp3"),
        ("Größe: 1/2", "2.mp3"),
        ("../..", "audio.mp3"),
        (".mp3", "audio.mp3"),
        (".. .mp3", "audio.mp3"),
        ("ö" * 255, "ö" * 125 + ".mp3"),
    ],
)
def test_a_download_has_the_name_that_the_client_chose(
    ada: SignedIn, services: Services, name: str, expected: str
) -> None:
    job_id = convert(ada.http, "IMG_4711.mp4")
    finish(services, job_id, MP3)
    assert ada.http.get(f"/v1/conversions/{job_id}").json()["result"]["name"] == "IMG_4711.mp3"
    answer = ada.http.get(f"/v1/conversions/{job_id}/mp3", params={"name": name})
    assert answer.content == MP3
    assert filename_of(answer.headers["content-disposition"]) == expected


@given(st.text(min_size=1))
def test_any_name_makes_a_header_that_reads_back(name: str) -> None:
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    assert filename_of(header) == name.encode("utf-8", "replace").decode()


@given(st.text(max_size=100))
def test_any_header_is_read_without_an_error(header: str) -> None:
    name = filename_of(header)
    assert name is None or isinstance(name, str)


def test_a_name_in_an_unknown_encoding_is_passed_over() -> None:
    plain = "; filename=talk.mp4"
    for encoding in ("idna", "hex", "undefined", "unicode_escape", "nope", ""):
        assert filename_of(f"attachment; filename*={encoding}''x%ff{plain}") == "talk.mp4"
    assert filename_of(f"attachment; filename*=iso-8859-1''x%ff{plain}") == "xÿ"
    assert filename_of(f"attachment; filename*=utf-8''x%C3%BF{plain}") == "xÿ"


@given(st.text(alphabet="bytes=0123456789-, ", max_size=30), st.integers(0, 1000))
def test_any_range_lies_in_the_file(header: str, size_bytes: int) -> None:
    try:
        span = parse_range(header, size_bytes)
    except RangeNotSatisfiable:
        return
    assert span is None or 0 <= span[0] < span[1] <= size_bytes


def test_clients_are_sent_to_the_storage_where_that_is_set(
    services: Services, serve: Serve, bucket: Bucket, tmp_path: Path
) -> None:
    redirecting = Settings(**services.settings.model_dump() | {"redirect_downloads": True})
    storage = bucket.open(tmp_path / "scratch")
    elsewhere = dataclasses.replace(services, settings=redirecting, storage=storage, trust_loopback=True)
    on_disk = dataclasses.replace(services, settings=redirecting, trust_loopback=True)
    with httpx.Client(base_url=serve(elsewhere), timeout=30) as http:
        job_id = convert(http)
        finish(elsewhere, job_id, MP3)
        answer = http.get(f"/v1/conversions/{job_id}/mp3")
        assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
        assert answer.headers["location"].startswith(bucket.endpoint_url)
        assert httpx.get(answer.headers["location"]).content == MP3
        renamed = http.get(f"/v1/conversions/{job_id}/mp3", params={"name": "mine"})
        assert (renamed.content, filename_of(renamed.headers["content-disposition"])) == (MP3, "mine.mp3")
        assert http.head(f"/v1/conversions/{job_id}/mp3").headers["content-length"] == str(len(MP3))
        link = http.post(f"/v1/conversions/{job_id}/links", json={}).json()["url"]
        assert httpx.get(link).status_code == 307
        with_link = httpx.get(link, follow_redirects=True, headers={"Range": "bytes=5-9"})
        assert (with_link.status_code, with_link.content) == (206, MP3[5:10])
    with httpx.Client(base_url=serve(on_disk), timeout=30) as http:
        finish(on_disk, job_id := convert(http), MP3)
        assert http.get(f"/v1/conversions/{job_id}/mp3").content == MP3


def test_the_source_is_there_as_long_as_its_upload(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http, "My talk.mp4")
    finish(services, job_id)
    answer = ada.http.get(f"/v1/conversions/{job_id}/source")
    assert (answer.status_code, answer.content) == (200, VIDEO)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert 'filename="My talk.mp4"' in answer.headers["content-disposition"]
    assert ada.http.get(f"/v1/conversions/{job_id}/source", headers={"Range": "bytes=4-9"}).content == VIDEO[4:10]
    upload_id = ada.http.get(f"/v1/conversions/{job_id}").json()["source"]["upload_id"]
    ada.http.delete(f"/v1/uploads/{upload_id}").raise_for_status()
    answer = ada.http.get(f"/v1/conversions/{job_id}/source")
    assert (answer.status_code, answer.json()["code"]) == (410, "upload_deleted")


def test_clients_that_do_not_read_hold_no_thread(ada: SignedIn, services: Services) -> None:
    """It should answer a caller whose other downloads all wait for their client: more than it may have threads."""
    finish(services, job_id := convert(ada.http), bytes(50_000_000))  # more than fits into the buffers of a connection
    path = f"/v1/conversions/{job_id}/mp3"
    address = urlsplit(str(ada.http.base_url))
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {ada.http.headers['authorization']}\r\n\r\n"
    )
    with ExitStack() as stack:
        for _ in range(12):
            reader = stack.enter_context(socket.create_connection((address.hostname or "", address.port or 0), 20))
            reader.sendall(f"{head}\r\n".encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
        assert ada.http.get(path, headers={"Range": "bytes=0-9"}, timeout=20).content == bytes(10)
