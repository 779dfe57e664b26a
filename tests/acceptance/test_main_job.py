"""The main job through real processes: the same test, embedded and spread."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.service import Service, notifications_to, wait_for_end
from tests.media import corpus_file, make_video, samples_by_ffmpeg, samples_by_mpg123
from tests.servers import wait_until
from tests.shared_links import mp3_link_start


def test_a_video_becomes_an_mp3_and_its_owner_gets_an_email(service: Service, talk: Path, tmp_path: Path) -> None:
    """It should register, upload, convert, tell the progress, hand out the exact MP3, and email a link."""
    address = f"ada-{service.folder.name}@example.org"
    with service.user(email=address) as ada:
        with talk.open("rb") as video:
            answer = ada.post("/v1/conversions", files={"file": ("A talk.mp4", video)}, data={"bitrate_kbps": "128"})
        assert answer.status_code == 202, answer.text
        job = answer.json()

        last = follow(service.urls[-1], ada, job["id"])
        assert (last["state"], last["percent"]) == ("finished", 100)

        job = ada.get(f"/v1/conversions/{job['id']}").json()
        mp3 = ada.get(f"/v1/conversions/{job['id']}/mp3")
        assert mp3.status_code == 200
        assert mp3.headers["content-type"] == "audio/mpeg"
        assert 'filename="A talk.mp3"' in mp3.headers["content-disposition"]
        assert len(mp3.content) == job["result"]["size_bytes"] == int(mp3.headers["content-length"])

        assert_exact(mp3.content, 30 * 48_000, tmp_path)

        email = wait_until(lambda: notifications_to(service, address), 20, "the email")[0]
        body = email.get_body(("plain",))
        assert body is not None
        (link,) = re.findall(rf"http\S+{mp3_link_start(job['id'])}\S+", body.get_content())
        # It leads to the service by its public name, and needs no sign-in.
        address = urlsplit(link)
        assert httpx.get(f"{service.urls[-1]}{address.path}").content == mp3.content


def follow(url: str, user: httpx.Client, job_id: str) -> dict[str, object]:
    """Reads the event stream (of any api process) to its end; returns the last event."""
    with httpx.stream(
        "GET",
        f"{url}/v1/conversions/{job_id}/events",
        headers={"Authorization": user.headers["Authorization"]},
        timeout=60,
    ) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        found = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    percents = [event["percent"] for event in found]
    assert percents == sorted(percents)
    last: dict[str, object] = found[-1]
    return last


def assert_exact(mp3: bytes, samples: int, folder: Path) -> None:
    """Both independent decoders should count exactly the samples that went into the video."""
    path = folder / "result.mp3"
    path.write_bytes(mp3)
    assert samples_by_ffmpeg(path) == samples
    assert samples_by_mpg123(path, folder) == samples


def test_one_call_turns_a_body_into_an_mp3(service: Service, tmp_path: Path) -> None:
    """It should answer `PUT /v1/mp3` with the MP3 itself."""
    source = make_video(tmp_path / "clip.mov", 3, rate_hz=44_100, audio=("-c:a", "pcm_s16le"))
    with service.user() as ada:
        answer = ada.put("/v1/mp3/clip.mov", content=source.read_bytes(), params={"vbr_quality": 4})
    assert answer.status_code == 200, answer.text
    assert_exact(answer.content, 3 * 44_100, tmp_path)


# The first audio's samples at its own rate, as the corpus tells, and what the API answers.
SAMPLE_OF_TEN = [
    ("mp4/sample_fragmented.mp4", "finished", None),
    ("mkv/sample_with_opus_audio.mkv", "finished", None),
    ("ts/sample_eac3.ts", "finished", None),
    ("flac/bear_with_picture.flac", "finished", None),
    ("avi/sample-unflagged-audio-keyframes.avi", "finished", None),
    ("wav/sample_192khz.wav", "finished", None),
    ("ts/sample_ac4.ts", "failed", "undecodable_audio"),
    ("mp4/sample_video_only.mp4", "failed", "no_audio"),
    ("drm/sample_fragmented_widevine.mp4", "failed", "unsupported_format"),
    ("cmaf/multi-segment/audio_init.mp4", "failed", "empty_audio"),
]


def test_ten_odd_files_get_their_outcome_through_the_api(service: Service) -> None:
    """It should convert what has sound, and give each other file its own code, without losing a worker."""
    with service.user() as ada:
        jobs = {}
        for path, _, _ in SAMPLE_OF_TEN:
            with corpus_file(path).open("rb") as video:
                answer = ada.post("/v1/conversions", files={"file": (Path(path).name, video)})
            jobs[path] = answer.raise_for_status().json()["id"]
        outcome = {}
        for path, job_id in jobs.items():
            job = wait_for_end(ada, job_id)
            error = job.get("error")
            outcome[path] = (job["state"], error["code"] if isinstance(error, dict) else None)
    assert outcome == {path: (state, code) for path, state, code in SAMPLE_OF_TEN}
    assert service.is_whole()


def test_no_password_or_token_reaches_a_log(service: Service, talk: Path) -> None:
    """It should log what happened, but none of the secrets that were used."""
    with service.user("grace") as grace:
        token = grace.headers["Authorization"].removeprefix("Bearer ")
        grace.get("/users/me", params={"token": "a-secret-in-a-query"}).raise_for_status()
        grace.post("/login", auth=("grace", "a-wrong-password"))
        legacy = grace.post("/login", auth=("grace", "correct horse battery")).raise_for_status().json()
        link = service.url.rsplit(":", 1)[1]
    logs = service.logs()
    assert "/users/me" in logs, "the access log is what could leak, so it has to be there"
    assert link in logs or "/login" in logs
    for secret in ("correct horse battery", "a-wrong-password", "a-secret-in-a-query", token, legacy):
        assert secret not in logs


@pytest.mark.parametrize("route", ["/livez", "/readyz", "/openapi.json", "/docs"])
def test_operators_find_what_they_look_for(service: Service, route: str) -> None:
    """It should answer without a sign-in."""
    for url in service.urls:
        assert httpx.get(f"{url}{route}", timeout=60).status_code == 200
