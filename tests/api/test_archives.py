"""Several results as one ZIP."""

import io
import zipfile
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from tests.api.conftest import SignedIn
from tests.api.stored import convert, finish
from tests.api.test_segments import CONTENTS, NAMES, finish_as_zip
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Job


def archive(http: httpx.Client, *job_ids: str) -> httpx.Response:
    return http.get("/v1/conversions/archive", params={"id": list(job_ids)})


def contents(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-length"] == str(len(answer.content))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archived:
        assert archived.testzip() is None
        return {name: archived.read(name) for name in archived.namelist()}


def finished(user: SignedIn, services: Services, name: str, mp3: bytes) -> str:
    job_id = convert(user.http, name)
    finish(services, job_id, mp3)
    return job_id


def test_several_results_come_as_one_zip(ada: SignedIn, services: Services) -> None:
    files = {"Ein Überblick.mp4": b"ID3 one " * 100_000, "二.mp4": b"ID3 two"}
    job_ids = [finished(ada, services, name, mp3) for name, mp3 in files.items()]
    answer = archive(ada.http, *job_ids)
    assert contents(answer) == {name.replace("mp4", "mp3"): mp3 for name, mp3 in files.items()}
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="conversions.zip"' in answer.headers["content-disposition"]
    head = ada.http.head("/v1/conversions/archive", params={"id": job_ids})
    assert (head.headers["content-length"], head.content) == (str(len(answer.content)), b"")


def test_files_of_the_same_name_all_come_out(ada: SignedIn, services: Services) -> None:
    names = ["talk.mp4", "Talk.webm", "talk.mkv", "../../etc/talk.mp4", "a:b.mp4"]
    job_ids = [finished(ada, services, name, name.encode()) for name in names]
    assert contents(archive(ada.http, *job_ids, job_ids[0])) == {
        "talk.mp3": b"talk.mp4",
        "Talk (2).mp3": b"Talk.webm",
        "talk (3).mp3": b"talk.mkv",
        "talk (4).mp3": b"../../etc/talk.mp4",
        "a_b.mp3": b"a:b.mp4",
    }


def test_the_segments_of_a_zip_stand_in_it_one_by_one(ada: SignedIn, services: Services, tmp_path: Path) -> None:
    split = convert(ada.http, "My talk.mp4", split="chapters")
    finish_as_zip(services, split, tmp_path)
    alone = finished(ada, services, "song.mp4", b"ID3 song")
    expected = dict(zip(NAMES, CONTENTS, strict=True)) | {"song.mp3": b"ID3 song"}
    assert contents(archive(ada.http, split, alone)) == expected


def test_what_has_no_mp3_is_told_before_the_first_byte(ada: SignedIn, services: Services) -> None:
    ready, waiting = finished(ada, services, "talk.mp4", b"ID3"), convert(ada.http)
    answer = archive(ada.http, ready, waiting)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_finished")
    assert archive(ada.http, ready).status_code == 200


@pytest.mark.parametrize("count", [0, 101])
def test_the_number_of_conversions_has_bounds(ada: SignedIn, count: int) -> None:
    answer = archive(ada.http, *["0" * 32] * count)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_zip_of_what_is_gone_breaks_off(ada: SignedIn, services: Services) -> None:
    """It should not look whole when an object is lost in the middle."""
    first = finished(ada, services, "one.mp4", b"ID3 one")
    second = finished(ada, services, "two.mp4", b"ID3 two")
    with services.database.write() as session:
        session.execute(update(Job).where(Job.id == second).values(result_key="results/gone"))
    with pytest.raises(httpx.RemoteProtocolError):
        archive(ada.http, first, second)
    assert list(contents(archive(ada.http, first))) == ["one.mp3"]
