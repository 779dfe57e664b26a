from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from tests.jobs.objects import keys_in, make_old, put
from tests.jobs.rows import change_job, claimed, finish, make_upload, make_user, read_job, submit
from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.database.tables import Upload, UploadChunk, new_id
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping import sweeper
from video2mp3.storage.disk import DiskStorage
from video2mp3.storage.keys import new_check_key


def _finished(database: Database, disk: DiskStorage, user_id: str) -> str:
    """A finished job whose object is stored and old; returns the object's key."""
    taken = claimed(database, submit(database, user_id).id)
    key = put(disk, f"results/{taken.job_id}/{taken.fence}.mp3")
    make_old(disk, key)
    assert finish(database, taken)
    return key


def test_expired_results_are_deleted_and_others_kept(database: Database, disk: DiskStorage, user_id: str) -> None:
    old, new = (_finished(database, disk, user_id) for _ in range(2))
    change_job(database, old.split("/")[1], expires_at=1)
    assert sweeper.delete_expired(database, disk, lifecycle.expire) == 1
    assert keys_in(disk) == {new}
    assert read_job(database, old.split("/")[1]).result_key is None


def test_any_number_of_expired_results_goes_at_once(
    database: Database, disk: DiskStorage, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_BATCH", 2)
    for _ in range(5):
        change_job(database, _finished(database, disk, user_id).split("/")[1], expires_at=1)
    assert sweeper.delete_expired(database, disk, lifecycle.expire) == 5
    assert keys_in(disk) == set()


def test_an_expired_upload_is_deleted_once_no_job_needs_it(database: Database, disk: DiskStorage, user_id: str) -> None:
    upload_id = make_upload(database, user_id)
    key = put(disk, f"uploads/{upload_id}/0-abcd")
    with database.write() as session:
        session.add(UploadChunk(upload_id=upload_id, offset_bytes=0, size_bytes=3, storage_key=key, checksums=b"0000"))
        session.get_one(Upload, upload_id).expires_at = 1
    job = submit(database, user_id, upload_id)
    assert sweeper.delete_expired(database, disk, uploads.delete_expired) == 0
    assert keys_in(disk) == {key}
    finish(database, claimed(database, job.id))
    assert sweeper.delete_expired(database, disk, uploads.delete_expired) == 1
    assert keys_in(disk) == set()
    assert read_job(database, job.id).upload_id is None


def test_expired_uploads_without_a_byte_all_go_in_one_sweep(database: Database, disk: DiskStorage) -> None:
    """It should not stop where a batch of one user had nothing stored: another's upload comes after it."""
    ada, bob = make_user(database), make_user(database)
    template: dict[str, Any] = {"name": "a", "state": "open", "created_at": 1}
    empty = [{**template, "id": new_id(), "user_id": ada, "expires_at": 1} for _ in range(2000)]
    last = new_id()
    key = put(disk, f"uploads/{last}/0-abcd")
    with database.write() as session:
        session.execute(insert(Upload), [*empty, {**template, "id": last, "user_id": bob, "expires_at": 2}])
        session.add(UploadChunk(upload_id=last, offset_bytes=0, size_bytes=3, storage_key=key, checksums=b"0000"))
    assert sweeper.delete_expired(database, disk, uploads.delete_expired) == 1
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Upload)) == 0
    assert keys_in(disk) == set()


def test_results_that_another_process_took_do_not_end_the_sweep(
    database: Database, disk: DiskStorage, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "_BATCH", 2)
    keys = [_finished(database, disk, user_id) for _ in range(3)]
    for number, key in enumerate(keys):
        change_job(database, key.split("/")[1], expires_at=1 + number)
    calls: list[int] = []

    def beaten_once(session: Session, limit: int) -> tuple[int, list[str]]:
        found, mine = lifecycle.expire(session, limit)
        calls.append(found)
        return found, mine if len(calls) > 1 else []

    assert sweeper.delete_expired(database, disk, beaten_once) == 1
    assert calls == [2, 1]


def test_old_objects_that_no_row_refers_to_are_deleted(database: Database, disk: DiskStorage, user_id: str) -> None:
    upload_id = make_upload(database, user_id)
    listed = put(disk, f"uploads/{upload_id}/0-abcd")
    with database.write() as session:
        session.add(
            UploadChunk(upload_id=upload_id, offset_bytes=0, size_bytes=3, storage_key=listed, checksums=b"0000")
        )
    result = _finished(database, disk, user_id)
    lost = {
        put(disk, f"uploads/{upload_id}/0-ef01"),
        put(disk, f"uploads/{new_id()}/8388608-ef01"),
        put(disk, f"results/{result.split('/')[1]}/7.mp3"),
        put(disk, f"results/{new_id()}/1.zip"),
        put(disk, new_check_key()),
    }
    assert sweeper.delete_orphans(database, disk) == 0, "they are young: their rows may still come"
    make_old(disk, listed, result, *lost)
    assert sweeper.delete_orphans(database, disk) == len(lost)
    assert keys_in(disk) == {listed, result}


def test_the_object_of_a_running_job_is_no_orphan(database: Database, disk: DiskStorage, user_id: str) -> None:
    taken = claimed(database, submit(database, user_id).id)
    key = put(disk, f"results/{taken.job_id}/{taken.fence}.mp3")
    make_old(disk, key)
    assert sweeper.delete_orphans(database, disk) == 0
    with database.write() as session:
        lifecycle.release(session, taken)
    assert sweeper.delete_orphans(database, disk) == 1


def test_objects_that_are_not_ours_are_left_alone(database: Database, disk: DiskStorage) -> None:
    foreign = {put(disk, "results/notes.txt"), put(disk, "uploads/x/y/z"), put(disk, "backup/1")}
    make_old(disk, *foreign)
    assert sweeper.delete_orphans(database, disk) == 0
    assert keys_in(disk) == foreign
