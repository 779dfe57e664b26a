import re
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest
from sqlalchemy import func, select

from tests.api.conftest import SignedIn
from tests.api.stored import convert, finish
from tests.api.test_segments import finish_as_zip
from tests.engine.sounds import tone, wav_with
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Waveform

RATE_HZ = 8000
# What is decoded for a waveform need not be MP3.
SOUND = wav_with(tone(2 * RATE_HZ, rate_hz=RATE_HZ) + bytes(2 * RATE_HZ), rate_hz=RATE_HZ)


def waveform(http: httpx.Client, job_id: str, **params: str) -> httpx.Response:
    return http.get(f"/v1/conversions/{job_id}/waveform", params=params)


def kept(services: Services) -> int:
    with services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Waveform)) or 0


@pytest.fixture
def job_id(ada: SignedIn, services: Services) -> str:
    job_id = convert(ada.http)
    finish(services, job_id, SOUND)
    return job_id


def test_the_peaks_are_measured_once_and_kept(ada: SignedIn, services: Services, job_id: str) -> None:
    first = waveform(ada.http, job_id)
    found = first.json()
    assert found["duration_s"] == 3.0
    peaks = found["peaks"]
    assert len(peaks) * found["step_s"] == pytest.approx(3.0, abs=found["step_s"])
    loud, quiet = peaks[: len(peaks) * 2 // 3 - 1], peaks[len(peaks) * 2 // 3 + 1 :]
    assert 0.4 < max(loud) < 0.6
    assert set(quiet) == {0.0}
    services.storage.delete(next(iter(services.storage.list("results/"))).key)
    assert waveform(ada.http, job_id).json() == found
    assert kept(services) == 1
    ada.http.delete(f"/v1/conversions/{job_id}").raise_for_status()
    assert kept(services) == 0


def test_the_picture_shows_the_peaks(ada: SignedIn, job_id: str) -> None:
    answer = waveform(ada.http, job_id, format="svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    picture = ET.fromstring(answer.text)
    peaks = waveform(ada.http, job_id).json()["peaks"]
    assert picture.attrib["viewBox"] == f"0 0 {len(peaks)} 256"
    points = picture[0].attrib["points"].split()
    assert len(points) == 2 * len(peaks)
    assert all(re.fullmatch(r"\d+,\d+", point) for point in points)
    heights = [int(point.split(",")[1]) for point in points]
    assert min(heights) == 256 - max(heights) == round(128 - 128 * max(peaks))


def test_each_part_has_its_own(ada: SignedIn, services: Services, tmp_path: Path) -> None:
    job_id = convert(ada.http, split="chapters")
    finish_as_zip(services, job_id, tmp_path)
    whole = waveform(ada.http, job_id)
    assert (whole.status_code, whole.json()["code"]) == (422, "invalid_request")
    assert "several" in whole.json()["detail"]
    # The segments there are only text.
    assert waveform(ada.http, job_id, segment="2").json()["code"] == "unsupported_format"
    assert waveform(ada.http, job_id, segment="4").status_code == 404


def test_what_is_not_finished_has_none(ada: SignedIn) -> None:
    answer = waveform(ada.http, convert(ada.http))
    assert (answer.status_code, answer.json()["code"]) == (409, "not_finished")
