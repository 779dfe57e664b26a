import hashlib
import io
import json
import os
import threading
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import delete, select
from structlog.testing import capture_logs

from tests.jobs.rows import change_job, claim, make_user, notifications_of, read_job, submit
from tests.processes import go_on, stop_engines
from tests.servers import MariaDBServer, RabbitMQServer, wait_until
from tests.worker.system import RATE_HZ, System, make_wav
from video2mp3.database.tables import Upload, Waveform
from video2mp3.jobs import lifecycle
from video2mp3.jobs.results import segments_of
from video2mp3.queue import VIDEO_QUEUE
from video2mp3.queue.memory import MemoryQueue

pytestmark = pytest.mark.usefixtures("soon")

LONG_S = 600
"""Takes a second to convert, in which a test can stop it: none waits for its end."""


def waveforms_of(system: System, job_id: str) -> dict[int, float]:
    """The lengths of the waveforms that are kept for a job, by the number of the MP3."""
    with system.database.read() as session:
        return {
            row.segment: row.duration_s for row in session.scalars(select(Waveform).where(Waveform.job_id == job_id))
        }


def test_a_small_file_becomes_an_mp3(system: System) -> None:
    job = system.submit(make_wav(1.5), options={"bitrate_kbps": 128})
    with system.running():
        row = system.wait_for(job.id, "finished", "failed")
    assert (row.state, row.error_code, row.percent) == ("finished", None, 100)
    assert row.result_key == f"results/{job.id}/1.mp3"
    assert row.result_size_bytes is not None
    mp3 = system.storage.read(row.result_key, 0, row.result_size_bytes + 1)
    assert hashlib.sha256(mp3).hexdigest() == row.result_sha256
    assert row.result_duration_s == row.source_duration_s == 1.5
    assert row.report is not None
    assert row.report["samples"] == 1.5 * RATE_HZ
    assert system.keys() == {row.result_key}
    assert len(notifications_of(system.database, job.id)) == 1
    assert list(system.storage.scratch_folder.iterdir()) == []
    assert waveforms_of(system, job.id) == {0: 1.5}


def test_several_mp3s_of_one_file_become_a_zip(system: System) -> None:
    """It should store nothing else, and know where in it each MP3 is."""
    job = system.submit(make_wav(2.5), options={"split": 1})
    with system.running():
        row = system.wait_for(job.id, "finished", "failed")
    assert row.result_key == f"results/{job.id}/1.zip"
    assert row.result_size_bytes is not None
    stored = system.storage.read(row.result_key, 0, row.result_size_bytes + 1)
    assert hashlib.sha256(stored).hexdigest() == row.result_sha256
    segments = segments_of(row)
    assert [(segment.name, segment.duration_s) for segment in segments] == [
        ("talk-01.mp3", 1),
        ("talk-02.mp3", 1),
        ("talk-03.mp3", 0.5),
    ]
    with zipfile.ZipFile(io.BytesIO(stored)) as archived:
        for segment in segments:
            mp3 = archived.read(segment.name)
            assert hashlib.sha256(mp3).hexdigest() == segment.sha256
            assert stored[segment.offset_bytes : segment.offset_bytes + segment.size_bytes] == mp3
    assert system.keys() == {row.result_key}
    assert list(system.storage.scratch_folder.iterdir()) == []
    assert waveforms_of(system, job.id) == {1: 1, 2: 1, 3: 0.5}


def test_several_jobs_of_several_users_all_finish(system: System) -> None:
    anna, ben = make_user(system.database), make_user(system.database)
    upload_ids = {user: system.upload(user, make_wav(0.5)) for user in (anna, ben)}
    jobs = [submit(system.database, user, upload_ids[user]).id for user in [anna] * 8 + [ben] * 4]
    with system.running(slots=2):
        for job_id in jobs:
            assert system.wait_for(job_id, "finished", "failed").state == "finished"
    assert len(system.keys()) == 12
    assert {read_job(system.database, job_id).fence for job_id in jobs} == {1}


def test_a_file_that_is_no_media_fails_with_its_code(system: System) -> None:
    job = system.submit(b"This is a letter, not a video." * 100)
    good = system.submit(make_wav(0.5))
    with system.running():
        row = system.wait_for(job.id, "finished", "failed")
        assert (row.state, row.error_code) == ("failed", "unsupported_format")
        assert len(notifications_of(system.database, job.id)) == 1
        assert system.wait_for(good.id, "finished", "failed").state == "finished"
    assert system.keys() == {f"results/{good.id}/1.mp3"}
    assert list(system.storage.scratch_folder.iterdir()) == []


def test_duplicates_and_messages_of_ended_jobs_are_harmless(system: System) -> None:
    job = system.submit(make_wav(0.5))
    body = json.dumps({"job_id": job.id}).encode()
    for _ in range(5):
        system.queue.publish(VIDEO_QUEUE, body, expires_s=300)
    last = system.submit(make_wav(0.5))
    with system.running(slots=2):
        assert system.wait_for(job.id, "finished", "failed").state == "finished"
        assert system.wait_for(last.id, "finished", "failed").state == "finished"
        wait_until(lambda: system.queue.depth(VIDEO_QUEUE) == 0, 10, "all duplicates are taken")
    assert read_job(system.database, job.id).fence == 1
    assert system.keys() == {f"results/{job.id}/1.mp3", f"results/{last.id}/1.mp3"}


def test_messages_that_are_not_ours_are_put_aside(embedded: System) -> None:
    assert isinstance(embedded.queue, MemoryQueue)
    garbage = [b"", b"\xff\x00", b"[]", b'{"job_id": 7}', b'{"job_id": "../x"}', b"[" * 100_000, b'{"video_fid": "x"}']
    for body in garbage:
        embedded.queue.publish(VIDEO_QUEUE, body, expires_s=300)
    job = embedded.submit(make_wav(0.5))
    with embedded.running():
        assert embedded.wait_for(job.id, "finished", "failed").state == "finished"
    assert [*embedded.queue.state_of(VIDEO_QUEUE).dead] == garbage


def test_a_message_is_acknowledged_while_its_job_runs(system: System) -> None:
    """It should hold nothing back: another consumer finds the queue empty even if this one dies."""
    job = system.submit(make_wav(LONG_S))
    with system.running():
        stop_engines(os.getpid(), 1)
        consumer = system.queue.consumer(VIDEO_QUEUE)
        assert consumer.take(timeout_s=1) is None
        consumer.close()
        with system.database.write() as session:
            lifecycle.cancel(session, job.id, job.user_id)


def test_a_job_whose_upload_was_deleted_meanwhile_fails(embedded: System, monkeypatch: pytest.MonkeyPatch) -> None:
    job = embedded.submit(make_wav(0.5))
    read = embedded.storage.read

    def delete_the_upload(key: str, offset_bytes: int, size_bytes: int) -> bytes:
        with embedded.database.write() as session:
            session.execute(delete(Upload).where(Upload.id == job.upload_id))
        embedded.storage.delete(key)
        return read(key, offset_bytes, size_bytes)

    monkeypatch.setattr(embedded.storage, "read", delete_the_upload)
    with embedded.running():
        row = embedded.wait_for(job.id, "finished", "failed")
    assert (row.state, row.error_code) == ("failed", "upload_deleted")


def test_a_job_whose_upload_is_gone_fails(embedded: System) -> None:
    job = embedded.submit(make_wav(0.5))
    change_job(embedded.database, job.id, upload_id=None)
    with embedded.running():
        row = embedded.wait_for(job.id, "finished", "failed")
    assert (row.state, row.error_code) == ("failed", "upload_deleted")


def test_a_job_whose_upload_the_storage_has_lost_fails_after_some_tries(system: System) -> None:
    job = system.submit(make_wav(0.5))
    [key] = system.keys("uploads/")
    system.storage.delete(key)
    with system.running():
        for _ in range(2):
            wait_until(lambda: read_job(system.database, job.id).not_before, 30, "the job in backoff")
            change_job(system.database, job.id, not_before=0)
        row = system.wait_for(job.id, "finished", "failed")
    assert (row.state, row.error_code, row.failures) == ("failed", "upload_damaged", 3)


def test_a_running_job_is_canceled_within_a_heartbeat(embedded: System) -> None:
    job = embedded.submit(make_wav(LONG_S))
    with embedded.running():
        stop_engines(os.getpid(), 1)
        with embedded.database.write() as session:
            lifecycle.cancel(session, job.id, job.user_id)
        assert embedded.wait_for(job.id, "canceled", "finished", timeout_s=20).state == "canceled"
        assert embedded.keys() == set()


def test_progress_is_written_while_a_job_runs(embedded: System, monkeypatch: pytest.MonkeyPatch) -> None:
    job = embedded.submit(make_wav(LONG_S))
    read = embedded.storage.read

    def read_slowly(key: str, offset_bytes: int, size_bytes: int) -> bytes:
        time.sleep(0.1)  # it takes seconds, on a quick machine too
        return read(key, offset_bytes, size_bytes)

    monkeypatch.setattr(embedded.storage, "read", read_slowly)
    with embedded.running():

        def progress() -> int:
            return read_job(embedded.database, job.id).percent

        assert wait_until(progress, 60, "progress") < 100
        with embedded.database.write() as session:
            lifecycle.cancel(session, job.id, job.user_id)


def test_a_worker_that_lost_its_job_stops_and_changes_nothing(embedded: System) -> None:
    job = embedded.submit(make_wav(LONG_S))
    with embedded.running():
        stop_engines(os.getpid(), 1)
        # As after a reaper's visit, and another worker's claim.
        change_job(embedded.database, job.id, state="queued", not_before=0)
        other = claim(embedded.database, job.id, "other")
        assert other is not None
        wait_until(lambda: list(embedded.storage.scratch_folder.iterdir()) == [], 30, "the end of the work")
        row = read_job(embedded.database, job.id)
        assert (row.state, row.lease_owner, row.fence) == ("processing", "other", other.fence)


def test_a_late_finish_deletes_its_own_object(embedded: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease is lost in the moment after the object was stored."""
    job = embedded.submit(make_wav(0.5))
    put_file = embedded.storage.put_file

    def lose_the_job(key: str, path: Path, attributes: Mapping[str, str] | None = None) -> None:
        put_file(key, path, attributes)
        if key.startswith("results/") and read_job(embedded.database, job.id).fence == 1:
            change_job(embedded.database, job.id, state="queued", not_before=0, lost_leases=1)

    monkeypatch.setattr(embedded.storage, "put_file", lose_the_job)
    with embedded.running():
        assert embedded.wait_for(job.id, "finished").fence == 2
    assert embedded.keys() == {f"results/{job.id}/2.mp3"}


# -- Drain --------------------------------------------------------------------------------------------


def test_a_draining_worker_finishes_what_runs_and_takes_no_more(system: System) -> None:
    running = system.submit(make_wav(LONG_S))
    waiting = system.submit(make_wav(0.5))
    with system.running() as worker:
        stopped = stop_engines(os.getpid(), 1)
        worker.drain()
        go_on(*stopped)
        assert worker.join(60)
    assert read_job(system.database, running.id).state == "finished"
    row = read_job(system.database, waiting.id)
    assert (row.state, row.fence) == ("queued", 0)
    assert system.workers() == []


def test_what_a_draining_worker_cannot_finish_is_given_back_uncounted(system: System) -> None:
    job = system.submit(make_wav(LONG_S))
    with system.running(drain_grace_s=0.5) as worker:
        stop_engines(os.getpid(), 1)
        worker.drain()
        assert worker.join(30)
    row = read_job(system.database, job.id)
    assert (row.state, row.fence, row.failures, row.lost_leases, row.lease_owner) == ("queued", 1, 0, 0, None)
    assert system.keys() == set()
    assert list(system.storage.scratch_folder.iterdir()) == []


def test_a_draining_worker_is_seen_to_drain_and_keeps_its_leases(embedded: System) -> None:
    job = embedded.submit(make_wav(LONG_S))
    with embedded.running(drain_grace_s=30) as worker:
        stop_engines(os.getpid(), 1)
        wait_until(lambda: [row.slots for row in embedded.workers()] == [1], 10, "the worker's row")
        assert not embedded.workers()[0].draining
        worker.drain()
        wait_until(lambda: embedded.workers()[0].draining, 10, "the worker's row says so")
        change_job(embedded.database, job.id, lease_until=1)
        wait_until(lambda: (read_job(embedded.database, job.id).lease_until or 0) > 1, 30, "a heartbeat")
        with embedded.database.write() as session:
            lifecycle.cancel(session, job.id, job.user_id)
        assert worker.join(60)


# -- Outages ------------------------------------------------------------------------------------------


def test_a_worker_waits_for_a_queue_that_is_closed_and_ends_when_told(embedded: System) -> None:
    wakes = threading.Semaphore(0)
    worker = embedded.worker(wakes.release)
    embedded.queue.close()
    worker.start()
    assert not worker.join(0.5)
    worker.drain()
    assert worker.join(30)


def test_a_storage_outage_sends_the_job_back_uncounted(embedded: System) -> None:
    job = embedded.submit(make_wav(0.5))
    uploads_folder = embedded.storage.scratch_folder.parent / "objects" / "uploads"
    # A link to itself where the folder should be: reading fails as on a broken disk.
    away = uploads_folder.rename(uploads_folder.with_name("away"))
    uploads_folder.symlink_to(uploads_folder)
    with embedded.running():
        wait_until(lambda: read_job(embedded.database, job.id).not_before, 30, "the job in backoff")
        row = read_job(embedded.database, job.id)
        assert (row.state, row.failures, row.lost_leases) == ("queued", 0, 0)
        uploads_folder.unlink()
        away.rename(uploads_folder)
        change_job(embedded.database, job.id, not_before=0)
        assert embedded.wait_for(job.id, "finished", "failed").state == "finished"


def test_an_mp3_waits_for_a_storage_that_is_away_for_a_moment(embedded: System) -> None:
    job = embedded.submit(make_wav(0.5))
    blocked = embedded.storage.scratch_folder.parent / "objects" / "results"
    blocked.write_text("a file where the folder should be")
    with capture_logs() as logs, embedded.running():
        wait_until(lambda: "result_store_retried" in {entry["event"] for entry in logs}, 30, "the outage to be seen")
        blocked.unlink()
        row = embedded.wait_for(job.id, "finished", "failed")
    assert (row.state, row.fence) == ("finished", 1)


def test_a_database_that_is_away_for_a_moment_costs_nothing(distributed: System, mariadb: MariaDBServer) -> None:
    job = distributed.submit(make_wav(250))
    with distributed.running():
        scratch = distributed.storage.scratch_folder
        wait_until(lambda: any(path.stat().st_size for path in scratch.iterdir()), 30, "the first bytes of the MP3")
        mariadb.stop()
        mariadb.start()
        row = distributed.wait_for(job.id, "finished", "failed", timeout_s=120)
    assert (row.state, row.fence) == ("finished", 1)


def test_a_broker_that_is_restarted_is_found_again(distributed: System, rabbitmq: RabbitMQServer) -> None:
    with distributed.running():
        first = distributed.submit(make_wav(0.5))
        assert distributed.wait_for(first.id, "finished", "failed").state == "finished"
        rabbitmq.stop()  # killed, it once answered INTERNAL_ERROR for two minutes
        waiting = distributed.submit(make_wav(0.5))
        rabbitmq.start()
        assert distributed.wait_for(waiting.id, "finished", "failed", timeout_s=120).state == "finished"
