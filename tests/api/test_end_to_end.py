"""Through the API with the real housekeeping, worker and engine."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.api.conftest import SignedIn
from tests.media import make_video, samples_by_ffmpeg
from tests.servers import require_program, wait_until
from video2mp3.api.frame.services import Services
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.worker.loop import WorkerConfig, WorkerLoop


@pytest.fixture
def services(services: Services) -> Iterator[Services]:
    """A whole service: what is submitted is converted."""
    housekeeping = Housekeeping(services.database, services.queue, services.storage)
    worker = WorkerLoop(
        services.database,
        services.queue,
        services.storage,
        WorkerConfig(slots=2, spare_slot=False, drain_grace_s=0),
        housekeeping.wake,
    )
    housekeeping.start()
    worker.start()
    yield replace(services, wake=housekeeping.wake)
    worker.drain()
    assert worker.join(30)
    housekeeping.stop()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "talk.mov", 3, audio=("-c:a", "pcm_s16le"))


def test_a_video_is_uploaded_converted_followed_and_downloaded(ada: SignedIn, video: Path, tmp_path: Path) -> None:
    with video.open("rb") as file:
        job = (
            ada.http.post("/v1/conversions", files={"file": file}, data={"vbr_quality": "4"}).raise_for_status().json()
        )
    with ada.http.stream("GET", job["links"]["events"], timeout=60) as events:
        seen = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert (seen[-1]["state"], seen[-1]["percent"]) == ("finished", 100)
    mp3 = tmp_path / "talk.mp3"
    mp3.write_bytes(ada.http.get(job["links"]["mp3"]).raise_for_status().content)
    assert samples_by_ffmpeg(mp3) == samples_by_ffmpeg(video)
    result = ada.http.get(job["links"]["self"]).json()["result"]
    assert result["size_bytes"] == mp3.stat().st_size
    assert ada.http.get(job["links"]["report"]).json()["sha256"] == result["sha256"]


@pytest.mark.parametrize("address", ["/v1/mp3?bitrate_kbps=64", "/v1/mp3/"])
def test_curl_sends_a_video_and_gets_its_mp3(
    ada: SignedIn, url: str, video: Path, tmp_path: Path, address: str
) -> None:
    mp3 = tmp_path / "out.mp3"
    headers = ["-H", f"Authorization: Bearer {ada.access_token}"]
    curl = [require_program("curl"), "-sSf", *headers, "-T", str(video), f"{url}{address}", "-o", str(mp3)]
    subprocess.run(curl, check=True, timeout=60)
    assert samples_by_ffmpeg(mp3) == samples_by_ffmpeg(video)


def test_a_video_that_is_split_comes_back_as_a_zip(ada: SignedIn, video: Path, tmp_path: Path) -> None:
    """It should have the names that the command line gives, and each MP3 alone as well."""
    answer = ada.http.put("/v1/mp3/talk.mov?split=2&bitrate_kbps=64", content=video.read_bytes(), timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert 'filename="talk.zip"' in answer.headers["content-disposition"]
    (tmp_path / "talk.zip").write_bytes(answer.content)
    subprocess.run([require_program("unzip"), "-q", "talk.zip"], check=True, cwd=tmp_path)
    assert [samples_by_ffmpeg(tmp_path / f"talk-0{n}.mp3") for n in (1, 2)] == [2 * 48_000, 48_000]
    path = answer.headers["content-location"]
    assert ada.http.get(f"{path}?segment=2").content == (tmp_path / "talk-02.mp3").read_bytes()
    report = ada.http.get(path.replace("/mp3", "/report")).json()
    assert (report["size_bytes"], len(report["segments"])) == (len(answer.content), 2)


def test_a_file_that_is_no_video_answers_so(ada: SignedIn) -> None:
    answer = ada.http.put("/v1/mp3", content=b"this is a text " * 1000, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_format")


def test_the_first_version_s_calls_convert(ada: SignedIn, video: Path, tmp_path: Path) -> None:
    with video.open("rb") as file:
        found = ada.http.post("/upload", files={"file": file}).json()

    def finished() -> bool:
        return ada.http.get("/download", params={"fid": found["mp3_fid"]}).status_code == 200

    wait_until(finished, 60, "the MP3")
    mp3 = tmp_path / "out.mp3"
    mp3.write_bytes(ada.http.get("/download", params={"fid": found["mp3_fid"]}).content)
    assert samples_by_ffmpeg(mp3) == samples_by_ffmpeg(video)
