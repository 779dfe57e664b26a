"""POST /v1/split-preview, with real media and through the real engine."""

from pathlib import Path

import pytest

from tests.api.conftest import SignedIn
from tests.api.stored import stored, upload
from tests.engine.sounds import write_wav
from video2mp3.api.frame.services import Services


@pytest.fixture
def upload_id(ada: SignedIn, tmp_path: Path) -> str:
    return upload(ada.http, write_wav(tmp_path / "a.wav", 3 * 8000, rate_hz=8000).read_bytes(), "a.wav")


def test_it_tells_which_mp3s_a_split_would_make(ada: SignedIn, services: Services, upload_id: str) -> None:
    before = stored(services)
    options = {"split": "chapters", "own_chapters": "0 One\n1:00 Beyond\n", "title": "T"}
    answer = ada.http.post("/v1/split-preview", json={"upload_id": upload_id, "options": options})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"segments": [{"track": 1, "start_s": 0.0, "duration_s": 3.0, "title": "One"}]}
    assert stored(services) == before


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({}, "invalid_option", "split: must say where to split"),
        ({"split": "chapters", "own_chapters": "1 a\n1 b"}, "invalid_option", "line 2 must begin later"),
        ({"split": 1, "start_s": 5}, "start_out_of_range", ""),
    ],
)
def test_it_fails_as_the_conversion_would(
    ada: SignedIn, upload_id: str, options: dict[str, object], code: str, words: str
) -> None:
    answer = ada.http.post("/v1/split-preview", json={"upload_id": upload_id, "options": options})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert words in answer.json()["detail"]


def test_a_deleted_upload_has_no_preview(ada: SignedIn, upload_id: str) -> None:
    ada.http.delete(f"/v1/uploads/{upload_id}").raise_for_status()
    answer = ada.http.post("/v1/split-preview", json={"upload_id": upload_id, "options": {"split": "silence"}})
    assert answer.json()["code"] in ("not_found", "upload_deleted")
