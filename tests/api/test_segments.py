"""Conversions that made several MP3s, as a worker stores them: one ZIP, or one MP3 out of it."""

import hashlib
import io
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.conftest import SignedIn
from tests.api.stored import VIDEO, convert, finish
from tests.worker.test_archive import report
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job
from video2mp3.jobs import lifecycle
from video2mp3.worker.archive import archive

CONTENTS = [b"ID3 the first " * 1000, b"ID3 the second " * 30_000, b"ID3 the third"]
NAMES = ["My talk-01.mp3", "My talk-02.mp3", "My talk-03.mp3"]


def finish_as_zip(services: Services, job_id: str, folder: Path) -> bytes:
    """Finishes a job with a ZIP, as a worker would; returns it."""
    (folder / "mp3s").write_bytes(b"".join(CONTENTS))
    done = archive(folder / "mp3s", report(*CONTENTS), NAMES, folder / "result.zip")
    segments = [asdict(segment) | {"title": f"Chapter {n}"} for n, segment in enumerate(done.segments, 1)]
    return finish(services, job_id, (folder / "result.zip").read_bytes(), segments=segments)


@pytest.fixture
def job_id(ada: SignedIn) -> str:
    return convert(ada.http, "My talk.mp4", split="chapters")


@pytest.fixture
def stored_zip(services: Services, job_id: str, tmp_path: Path) -> bytes:
    return finish_as_zip(services, job_id, tmp_path)


def get(ada: SignedIn, job_id: str, path: str = "mp3", **headers: str) -> httpx.Response:
    return ada.http.get(f"/v1/conversions/{job_id}/{path}", headers=headers)


def test_the_conversion_lists_its_segments(ada: SignedIn, job_id: str, stored_zip: bytes) -> None:
    result = ada.http.get(f"/v1/conversions/{job_id}").json()["result"]
    assert (result["media_type"], result["size_bytes"]) == ("application/zip", len(stored_zip))
    assert result["sha256"] == hashlib.sha256(stored_zip).hexdigest()
    found: list[dict[str, Any]] = result["segments"]
    assert [(segment["number"], segment["name"], segment["title"]) for segment in found] == [
        (number, name, f"Chapter {number}") for number, name in enumerate(NAMES, 1)
    ]
    for segment, content in zip(found, CONTENTS, strict=True):
        assert (segment["size_bytes"], segment["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert ada.http.get(segment["url"]).content == content
    listed = ada.http.get("/v1/conversions").json()["items"][0]["result"]
    assert listed == result


def test_a_zip_is_downloaded_whole(ada: SignedIn, job_id: str, stored_zip: bytes) -> None:
    answer = get(ada, job_id)
    assert (answer.status_code, answer.content) == (200, stored_zip)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["etag"] == f'"{hashlib.sha256(stored_zip).hexdigest()}"'
    assert 'filename="My talk.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archived:
        assert [archived.read(name) for name in NAMES] == CONTENTS
    assert get(ada, job_id, Range="bytes=-22").content == stored_zip[-22:]


def test_a_segment_is_downloaded_as_a_file_of_its_own(ada: SignedIn, job_id: str, stored_zip: bytes) -> None:
    second, sha256 = CONTENTS[1], hashlib.sha256(CONTENTS[1]).hexdigest()
    answer = get(ada, job_id, "mp3?segment=2")
    assert (answer.status_code, answer.content) == (200, second)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["etag"] == f'"{sha256}"'
    assert 'filename="My talk-02.mp3"' in answer.headers["content-disposition"]
    ranged = get(ada, job_id, "mp3?segment=2", Range="bytes=400000-400999")
    assert (ranged.status_code, ranged.content) == (206, second[400_000:401_000])
    assert ranged.headers["content-range"] == f"bytes 400000-400999/{len(second)}"
    assert get(ada, job_id, "mp3?segment=2", Range=f"bytes={len(second)}-").status_code == 416
    assert get(ada, job_id, "mp3?segment=2", **{"If-None-Match": f'"{sha256}"'}).status_code == 304
    assert get(ada, job_id, "mp3?segment=1", **{"If-None-Match": f'"{sha256}"'}).status_code == 200
    head = ada.http.head(f"/v1/conversions/{job_id}/mp3?segment=2")
    assert (head.headers["content-length"], head.content) == (str(len(second)), b"")


@pytest.mark.parametrize("number", [4, 999])
def test_a_segment_that_is_not_there(ada: SignedIn, job_id: str, stored_zip: bytes, number: int) -> None:
    answer = get(ada, job_id, f"mp3?segment={number}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"] == f"There is no segment {number}: the conversion made 3 segments."


def test_one_mp3_has_no_segments(ada: SignedIn, services: Services) -> None:
    job_id = convert(ada.http)
    early = get(ada, job_id, "mp3?segment=1")
    assert (early.status_code, early.json()["code"]) == (409, "not_finished")
    finish(services, job_id, tracks=[{}, {}])
    result = ada.http.get(f"/v1/conversions/{job_id}").json()["result"]
    assert (result["media_type"], result["segments"], result["tracks"]) == ("audio/mpeg", None, 2)
    answer = get(ada, job_id, "mp3?segment=1")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "one MP3" in answer.json()["detail"]


def test_segments_expire_with_their_zip(ada: SignedIn, services: Services, job_id: str, stored_zip: bytes) -> None:
    with services.database.write() as session:
        session.get_one(Job, job_id).expires_at = 1
    with services.database.write() as session:
        assert lifecycle.expire(session, 10)[0] == 1
    assert get(ada, job_id, "mp3?segment=1").status_code == 410
    result = ada.http.get(f"/v1/conversions/{job_id}").json()["result"]
    assert result["media_type"] == "application/zip"
    assert {segment["url"] for segment in result["segments"]} == {None}


def test_another_users_segment_is_not_there(bob: SignedIn, job_id: str, stored_zip: bytes) -> None:
    assert get(bob, job_id, "mp3?segment=1").status_code == 404


def test_the_first_version_s_download_is_the_zip(ada: SignedIn, services: Services, tmp_path: Path) -> None:
    files, data = {"file": ("My talk.mp4", VIDEO)}, {"split": "silence"}
    fid = ada.http.post("/upload", files=files, data=data).raise_for_status().json()["mp3_fid"]
    stored = finish_as_zip(services, fid, tmp_path)
    answer = ada.http.get("/download", params={"fid": fid})
    assert (answer.content, answer.headers["content-type"]) == (stored, "application/zip")
    assert 'filename="My talk.zip"' in answer.headers["content-disposition"]
