"""POST /v1/probe, with real media and through the real engine."""

from pathlib import Path

import httpx
import pytest

from tests.api.conftest import SignedIn
from tests.api.stored import stored, upload
from tests.engine.sounds import write_wav
from video2mp3.api.frame.services import Services


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    return write_wav(tmp_path / "a.wav", 88200, 2).read_bytes()


def test_it_tells_what_is_in_an_upload(ada: SignedIn, services: Services, sound: bytes) -> None:
    upload_id = upload(ada.http, sound, "a.wav")
    before = stored(services)
    answer = ada.http.post("/v1/probe", json={"upload_id": upload_id})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["tracks"] == [
        {
            "codec": "pcm_s16le",
            "language": None,
            "title": None,
            "flags": [],
            "channels": 2,
            "sample_rate_hz": 44100,
            "duration_s": 2.0,
            "decodable": True,
        }
    ]
    assert (found["container"], found["duration_s"], found["chapters"], found["warnings"]) == ("wav", 2.0, [], [])
    assert found["estimated_size_bytes"] == 47_500
    assert found["estimated_time_s"] > 0
    assert stored(services) == before


def test_the_estimate_is_for_the_options(ada: SignedIn, sound: bytes) -> None:
    order = {"upload_id": upload(ada.http, sound), "options": {"preset": "podcast", "start_s": 1}}
    assert ada.http.post("/v1/probe", json=order).json()["estimated_size_bytes"] == 16_000


def test_what_is_not_media_is_a_problem_of_its_own(ada: SignedIn) -> None:
    answer = ada.http.post("/v1/probe", json={"upload_id": upload(ada.http, b"not media" * 100)})
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_format")
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_bad_option_is_named(ada: SignedIn, sound: bytes) -> None:
    order = {"upload_id": upload(ada.http, sound), "options": {"vbr_quality": 12}}
    answer = ada.http.post("/v1/probe", json=order)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_option")
    assert "vbr_quality" in answer.json()["detail"]


def test_another_user_s_upload_is_as_one_that_is_not_there(
    ada: SignedIn, bob: SignedIn, client: httpx.Client, sound: bytes
) -> None:
    order = {"upload_id": upload(ada.http, sound)}
    foreign, missing = (bob.http.post("/v1/probe", json=o) for o in (order, {"upload_id": "0" * 31 + "1"}))
    assert [(a.status_code, a.json()["code"], a.json()["detail"]) for a in (foreign, missing)] == [
        (404, "not_found", missing.json()["detail"])
    ] * 2
    assert client.post("/v1/probe", json=order).status_code == 401
    assert ada.http.post("/v1/probe", json=order).status_code == 200
