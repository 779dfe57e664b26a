from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from tests.jobs.objects import keys_in, put
from tests.jobs.rows import change_job, claimed, finish, make_upload, read_job, submit
from tests.servers import wait_until
from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.database.tables import Upload, UploadChunk, User
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.queue import VIDEO_QUEUE
from video2mp3.queue.memory import MemoryQueue
from video2mp3.storage.disk import DiskStorage


@pytest.fixture
def housekeeping(database: Database, memory: MemoryQueue, disk: DiskStorage) -> Iterator[Housekeeping]:
    """Not started yet."""
    housekeeping = Housekeeping(database, memory, disk, expire=[uploads.delete_expired])
    yield housekeeping
    housekeeping.stop()


def test_a_submitted_job_is_announced_when_nudged(
    database: Database, memory: MemoryQueue, housekeeping: Housekeeping, user_id: str
) -> None:
    housekeeping.start()
    submit(database, user_id)
    housekeeping.wake()
    wait_until(lambda: memory.depth(VIDEO_QUEUE) == 1, 10, "the announcement")


def test_a_job_is_announced_without_a_nudge_too(
    database: Database, memory: MemoryQueue, housekeeping: Housekeeping, user_id: str
) -> None:
    housekeeping.start()
    submit(database, user_id)
    wait_until(lambda: memory.depth(VIDEO_QUEUE) == 1, 10, "the announcement")


def test_after_a_restart_waiting_jobs_are_announced_at_once(
    database: Database, memory: MemoryQueue, housekeeping: Housekeeping, user_id: str
) -> None:
    change_job(database, submit(database, user_id).id, announced_until=9 * 10**15)
    housekeeping.start()
    wait_until(lambda: memory.depth(VIDEO_QUEUE) == 1, 10, "the announcement")


def test_a_dead_worker_s_job_is_announced_again(
    database: Database,
    memory: MemoryQueue,
    housekeeping: Housekeeping,
    user_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = claimed(database, submit(database, user_id).id)
    change_job(database, taken.job_id, lease_until=1)
    housekeeping.start()
    wait_until(lambda: memory.depth(VIDEO_QUEUE) == 1, 10, "the announcement")
    assert read_job(database, taken.job_id).lost_leases == 1


def test_what_expired_is_swept(database: Database, disk: DiskStorage, housekeeping: Housekeeping, user_id: str) -> None:
    upload_id = make_upload(database, user_id)
    chunk = put(disk, f"uploads/{upload_id}/0-abcd")
    with database.write() as session:
        session.add(
            UploadChunk(upload_id=upload_id, offset_bytes=0, size_bytes=3, storage_key=chunk, checksums=b"0000")
        )
    taken = claimed(database, submit(database, user_id, upload_id).id)
    put(disk, f"results/{taken.job_id}/1.mp3")
    finish(database, taken)
    change_job(database, taken.job_id, expires_at=1)
    with database.write() as session:
        session.get_one(Upload, upload_id).expires_at = 1
    housekeeping.start()
    wait_until(lambda: keys_in(disk) == set(), 10, "the deletion of all objects")


def test_what_else_is_to_be_done_is_done_in_a_transaction(
    database: Database, memory: MemoryQueue, disk: DiskStorage, user_id: str
) -> None:
    def tend(session: Session) -> None:
        session.get_one(User, user_id).role = "tended"

    housekeeping = Housekeeping(database, memory, disk, maintenance=[tend])
    housekeeping.start()
    try:
        wait_until(lambda: read_user(database, user_id).role == "tended", 10, "the step")
    finally:
        housekeeping.stop()


def read_user(database: Database, user_id: str) -> User:
    with database.read() as session:
        return session.get_one(User, user_id)
