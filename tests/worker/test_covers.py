"""Jobs whose cover is an upload."""

import io
from typing import Any

from mutagen.id3 import ID3
from sqlalchemy import delete

from tests.engine.converting import make
from tests.jobs.rows import make_user, read_job, submit
from tests.servers import wait_until
from tests.worker.system import System, make_wav
from video2mp3.database.tables import Job, Upload


def submit_with_cover(system: System, picture: bytes, **options: Any) -> tuple[Job, str]:
    user_id = make_user(system.database)
    cover_id = system.upload(user_id, picture, "cover.png")
    video_id = system.upload(user_id, make_wav(0.5))
    return submit(system.database, user_id, video_id, cover_upload_id=cover_id, options=options), cover_id


def test_the_uploaded_picture_becomes_the_cover(system: System, tmp_path: Any) -> None:
    picture = make(tmp_path / "a.png", "-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1").read_bytes()
    job, _ = submit_with_cover(system, picture, bitrate_kbps=64)
    with system.running():
        row = system.wait_for(job.id, "finished", "failed")
    assert (row.state, row.error_code) == ("finished", None)
    assert row.result_key
    assert row.result_size_bytes
    mp3 = system.storage.read(row.result_key, 0, row.result_size_bytes)
    found: Any = ID3(io.BytesIO(mp3))  # type: ignore[no-untyped-call]
    (cover,) = found.getall("APIC")
    assert (cover.mime, cover.type, cover.data) == ("image/png", 3, picture)


def test_a_picture_that_is_none_fails_the_job_at_once(embedded: System) -> None:
    job, _ = submit_with_cover(embedded, b"no picture")
    with embedded.running():
        row = embedded.wait_for(job.id, "finished", "failed")
    assert (row.state, row.error_code, row.fence) == ("failed", "invalid_cover", 1)


def test_a_job_whose_cover_is_gone_fails(embedded: System) -> None:
    job, cover_id = submit_with_cover(embedded, b"no picture")
    with embedded.database.write() as session:
        session.execute(delete(Upload).where(Upload.id == cover_id))
    with embedded.running():
        row = embedded.wait_for(job.id, "finished", "failed")
    assert (row.state, row.error_code) == ("failed", "upload_deleted")


def test_a_job_whose_cover_the_storage_has_lost_is_tried_again(embedded: System) -> None:
    job, cover_id = submit_with_cover(embedded, b"no picture")
    for key in embedded.keys(f"uploads/{cover_id}"):
        embedded.storage.delete(key)
    with embedded.running():
        wait_until(lambda: read_job(embedded.database, job.id).failures, 30, "a failure that is counted")
    assert read_job(embedded.database, job.id).state == "queued"
