"""Conversions of uploads that still come."""

import time

import pytest
from sqlalchemy import update

from tests.jobs.rows import make_user, read_job, submit
from tests.servers import wait_until
from tests.worker.system import System, make_wav
from video2mp3 import uploads
from video2mp3.database.tables import Job, Upload
from video2mp3.jobs import lifecycle, workers
from video2mp3.uploads import growing

pytestmark = pytest.mark.usefixtures("soon")

SECONDS = 90
CONTENT = make_wav(SECONDS)


class Sender:
    """Sends a file bit by bit."""

    def __init__(self, system: System, content: bytes = CONTENT) -> None:
        self._system, self._content = system, content
        self.user_id = make_user(system.database)
        with system.database.write() as session:
            size_bytes = len(content)
            upload = uploads.create(
                session, user_id=self.user_id, name="talk.wav", size_bytes=size_bytes, lifetime_s=3600
            )
        self.upload_id = upload.id

    def send_up_to(self, end_bytes: int) -> None:
        database = self._system.database
        with database.read() as session:
            start = uploads.find(session, self.upload_id, self.user_id).received_bytes
        writer = uploads.ChunkWriter(database, self._system.storage, self.upload_id, start, max_size_bytes=10**9)
        writer.write(self._content[start:end_bytes])
        writer.close()

    def send_rest(self) -> None:
        self.send_up_to(len(self._content))
        with self._system.database.write() as session:
            assert uploads.complete_when_whole(session, self.upload_id)
            lifecycle.upload_completed(session, self.upload_id)

    def submit(self, **options: object) -> Job:
        job = submit(self._system.database, self.user_id, self.upload_id, options=options)
        assert job.state == "waiting"
        return job

    def start(self) -> int:
        with self._system.database.write() as session:
            return lifecycle.start_early(session, self.upload_id)


def test_what_a_preset_implies_waits_for_the_end_and_holds_no_slot(embedded: System) -> None:
    """It should measure the loudness that `podcast` stands for when the whole file is there."""
    sender = Sender(embedded)
    sender.send_up_to(1_000_000)
    assert sender.submit(preset="podcast").blocked_reason == "loudness"
    assert sender.start() == 0


def test_it_is_converted_behind_the_writer_to_the_same_mp3(system: System) -> None:
    """It should make progress while the end is missing, and give the bytes that the whole file gives."""
    sender = Sender(system)
    sender.send_up_to(1_000_000)
    job = sender.submit()
    assert sender.start() == 1
    with system.running():
        system.wait_for(job.id, "processing")
        # All of its segments but the last are there.
        sender.send_up_to(len(CONTENT) - 500_000)
        wait_until(lambda: system.wait_for(job.id, "processing").done_s > 0, 60, "progress")
        sender.send_rest()
        row = system.wait_for(job.id, "finished", "failed")
        whole = system.wait_for(system.submit(CONTENT).id, "finished")
    assert (row.state, row.fence) == ("finished", 1)
    assert row.result_sha256 == whole.result_sha256


def test_an_upload_that_stalls_loses_the_slot_and_is_converted_when_it_goes_on(
    embedded: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should count nothing."""
    monkeypatch.setattr(uploads.growing, "STALLED_S", 0.5)
    sender = Sender(embedded)
    sender.send_up_to(2_000_000)
    job = sender.submit()
    assert sender.start() == 1
    with embedded.running():
        wait_until(lambda: embedded.wait_for(job.id, "waiting").fence == 1, 30, "the slot to be given back")
        # The only slot is free for others.
        embedded.wait_for(embedded.submit(make_wav(1)).id, "finished")
        sender.send_rest()
        row = embedded.wait_for(job.id, "finished", "failed")
    assert (row.state, row.failures, row.lost_leases) == ("finished", 0, 0)


def test_an_upload_that_drips_loses_the_slot_and_after_the_second_time_waits_for_its_end(
    embedded: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should say why, also of a conversion that is ordered later."""
    monkeypatch.setattr(uploads.growing, "STALLED_S", 0.5)
    sender = Sender(embedded)
    sent_bytes = 2_000_000
    sender.send_up_to(sent_bytes)
    job = sender.submit()
    with embedded.running():
        for stalls in (1, 2):
            assert sender.start() == 1

            def drips_until_it_waits(stalls: int = stalls) -> bool:
                nonlocal sent_bytes
                sent_bytes += 1
                sender.send_up_to(sent_bytes)
                row = read_job(embedded.database, job.id)
                return (row.state, row.fence) == ("waiting", stalls)

            wait_until(drips_until_it_waits, 30, "the slot to be given back")
        assert sender.start() == 0
        assert read_job(embedded.database, job.id).blocked_reason == "upload_too_slow"
        assert sender.submit().blocked_reason == "upload_too_slow"
        assert sender.start() == 0
        sender.send_rest()
        assert embedded.wait_for(job.id, "finished", "failed").state == "finished"


def test_without_a_least_throughput_an_upload_that_drips_keeps_the_slot(
    embedded: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads.growing, "STALLED_S", 3.0)  # far above the pauses of a busy machine
    monkeypatch.setattr(growing.GrowingUploadSource, "_count", lambda *_: None)
    sender = Sender(embedded)
    sender.send_up_to(2_000_000)
    job = sender.submit()
    assert sender.start() == 1
    with embedded.running():
        embedded.wait_for(job.id, "processing")
        for number in range(50):
            sender.send_up_to(2_000_001 + number)
            time.sleep(0.1)
        assert read_job(embedded.database, job.id).state == "processing"
        with embedded.database.write() as session:
            lifecycle.cancel(session, job.id, sender.user_id)


def test_a_cancel_ends_a_conversion_that_waits_for_bytes(embedded: System) -> None:
    sender = Sender(embedded)
    sender.send_up_to(2_000_000)
    job = sender.submit()
    assert sender.start() == 1
    with embedded.running():
        embedded.wait_for(job.id, "processing")
        with embedded.database.write() as session:
            lifecycle.cancel(session, job.id, sender.user_id)
        embedded.wait_for(job.id, "canceled")


def test_an_upload_that_is_removed_fails_its_conversion(embedded: System) -> None:
    sender = Sender(embedded)
    sender.send_up_to(2_000_000)
    job = sender.submit()
    assert sender.start() == 1
    with embedded.running():
        embedded.wait_for(job.id, "processing")
        with embedded.database.write() as session:
            session.execute(update(Job).where(Job.id == job.id).values(upload_id=None))
            session.delete(session.get_one(Upload, sender.upload_id))
        row = embedded.wait_for(job.id, "failed")
    assert row.error_code == "upload_deleted"


def test_half_of_the_slots_serve_uploads_that_still_come(system: System) -> None:
    """It should leave the others to what is there; where there is one slot, that one serves either."""
    with system.database.write() as session:
        workers.beat(session, "w" * 32, host="here", slots=5, draining=False)
    senders = [Sender(system) for _ in range(4)]
    for sender in senders:
        sender.submit()
    assert [sender.start() for sender in senders] == [1, 1, 0, 0]
    senders[0].send_rest()
    assert [sender.start() for sender in senders[2:]] == [1, 0]
