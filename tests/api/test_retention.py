"""How long uploads and results are kept: a day after the last use, and a week."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from tests.api.conftest import SignedIn
from tests.api.stored import convert, fail, finish, stored, upload
from video2mp3 import uploads
from video2mp3.api.frame.services import Services
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import NoAudio
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping import sweeper
from video2mp3.settings import Settings

DAY_S = 86_400


def expires_in_s(user: SignedIn, path: str) -> float:
    moment = datetime.fromisoformat(user.http.get(path).raise_for_status().json()["expires_at"])
    return (moment - datetime.now(UTC)) / timedelta(seconds=1)


def test_the_defaults_are_a_day_and_a_week(settings: Settings) -> None:
    assert (settings.upload_retention_s, settings.result_retention_s) == (DAY_S, 7 * DAY_S)


def test_an_upload_is_kept_for_a_day_from_its_last_use(ada: SignedIn, services: Services) -> None:
    """It should be there yet when its conversion, a long time later, has failed and is to be tried again."""
    upload_id = upload(ada.http)
    path = f"/v1/uploads/{upload_id}"

    def nearly_over() -> None:
        with services.database.write() as session:
            session.execute(update(Upload).values(expires_at=now() + 60 * SECOND))

    nearly_over()
    job_id = ada.http.post("/v1/conversions", json={"upload_id": upload_id}).json()["id"]
    assert expires_in_s(ada, path) == pytest.approx(DAY_S, abs=60)
    fail(services, job_id, NoAudio())
    nearly_over()
    ada.http.post(f"/v1/conversions/{job_id}/retry").raise_for_status()
    assert expires_in_s(ada, path) == pytest.approx(DAY_S, abs=60)


def test_a_longer_life_is_never_shortened(ada: SignedIn, services: Services) -> None:
    upload_id = upload(ada.http)
    with services.database.write() as session:
        session.execute(update(Upload).values(expires_at=now() + 3 * DAY_S * SECOND))
    ada.http.post("/v1/conversions", json={"upload_id": upload_id}).raise_for_status()
    assert expires_in_s(ada, f"/v1/uploads/{upload_id}") == pytest.approx(3 * DAY_S, abs=60)


def test_after_the_time_the_bytes_are_gone_and_the_conversion_tells_its_report(
    ada: SignedIn, services: Services
) -> None:
    job_id = convert(ada.http)
    finish(services, job_id, samples=7)
    with services.database.write() as session:
        session.execute(update(Upload).values(expires_at=1))
        session.execute(update(Job).values(expires_at=1))
    for expire in (lifecycle.expire, uploads.delete_expired):
        assert sweeper.delete_expired(services.database, services.storage, expire) == 1
    assert stored(services) == {"uploads": 0, "upload_chunks": 0, "jobs": 1, "objects": 0, "scratch": 0}
    job = ada.http.get(f"/v1/conversions/{job_id}").json()
    assert (job["state"], job["source"]["upload_id"], job["result"]["url"]) == ("finished", None, None)
    assert ada.http.get(job["links"]["report"]).json() == {"samples": 7}
    assert ada.http.get(job["links"]["mp3"]).status_code == 410
