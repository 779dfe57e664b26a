import threading

import pytest
from sqlalchemy import select, update

from tests.options import resolved
from tests.uploads.conftest import add_user
from video2mp3 import uploads
from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Upload, UploadChunk, new_id
from video2mp3.errors import Conflict, NotFound, UploadTooLarge
from video2mp3.uploads import chunks


def create(database: Database, user_id: str, size_bytes: int | None = None, lifetime_s: int = 3600) -> Upload:
    with database.write() as session:
        return uploads.create(session, user_id=user_id, name="talk.mp4", size_bytes=size_bytes, lifetime_s=lifetime_s)


def append(database: Database, upload: Upload, offset_bytes: int, size_bytes: int, key: str = "k") -> bool:
    with database.write() as session:
        return chunks.append_chunk(
            session,
            upload.id,
            offset_bytes=offset_bytes,
            size_bytes=size_bytes,
            storage_key=f"uploads/{upload.id}/{offset_bytes}-{key}",
            checksums=b"0000",
        )


def add_job(database: Database, upload: Upload, state: str) -> None:
    with database.write() as session:
        job = Job(
            id=new_id(),
            user_id=upload.user_id,
            upload_id=upload.id,
            source_name="talk.mp4",
            source_size_bytes=1,
            options=resolved(),
            state=state,
            created_at=now(),
        )
        session.add(job)


def end_jobs(database: Database) -> None:
    with database.write() as session:
        session.execute(update(Job).values(state="finished"))


def chunks_of(database: Database, upload: Upload) -> list[int]:
    with database.read() as session:
        offsets = select(UploadChunk.offset_bytes).where(UploadChunk.upload_id == upload.id)
        return sorted(session.scalars(offsets))


def test_a_new_upload_is_open_and_expires(database: Database, user_id: str) -> None:
    upload = create(database, user_id, size_bytes=10, lifetime_s=60)
    assert (upload.state, upload.received_bytes, upload.size_bytes) == ("open", 0, 10)
    assert 60_000_000 <= upload.expires_at - upload.created_at < 61_000_000


def test_chunks_are_taken_only_at_the_offset(database: Database, user_id: str) -> None:
    upload = create(database, user_id)
    assert append(database, upload, 0, 10)
    assert not append(database, upload, 0, 10)
    assert not append(database, upload, 20, 10)
    assert append(database, upload, 10, 5)
    assert chunks_of(database, upload) == [0, 10]


def test_nothing_is_taken_past_the_declared_size(database: Database, user_id: str) -> None:
    upload = create(database, user_id, size_bytes=15)
    assert append(database, upload, 0, 10)
    assert not append(database, upload, 10, 6)
    assert append(database, upload, 10, 5)


def test_a_complete_upload_takes_nothing_more(database: Database, user_id: str) -> None:
    upload = create(database, user_id)
    append(database, upload, 0, 10)
    with database.write() as session:
        assert uploads.complete(session, upload.id)
    assert not append(database, upload, 10, 10)
    with database.write() as session:
        assert not uploads.complete(session, upload.id)
        assert uploads.find(session, upload.id, user_id).size_bytes == 10


def test_an_upload_with_bytes_missing_is_not_complete(database: Database, user_id: str) -> None:
    upload = create(database, user_id, size_bytes=20)
    append(database, upload, 0, 10)
    with database.write() as session:
        assert not uploads.complete(session, upload.id)
    append(database, upload, 10, 10)
    with database.write() as session:
        assert uploads.complete(session, upload.id)


def test_of_two_parallel_appends_one_wins(database: Database, user_id: str) -> None:
    upload = create(database, user_id)
    for offset_bytes in range(0, 200, 10):
        start = threading.Barrier(2)
        won: list[str] = []

        def run(
            name: str, offset_bytes: int = offset_bytes, won: list[str] = won, start: threading.Barrier = start
        ) -> None:
            start.wait()
            if append(database, upload, offset_bytes, 10, key=name):
                won.append(name)

        threads = [threading.Thread(target=run, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
    assert chunks_of(database, upload) == list(range(0, 200, 10))


def test_an_upload_in_too_many_pieces_is_refused(
    database: Database, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "MAX_CHUNKS", 2)
    upload = create(database, user_id)
    for offset_bytes in (0, 1):
        append(database, upload, offset_bytes, 1)
    with pytest.raises(UploadTooLarge):
        append(database, upload, 2, 1)
    with database.read() as session:
        assert uploads.find(session, upload.id, user_id).received_bytes == 2


def test_another_user_s_upload_is_not_found(database: Database, user_id: str) -> None:
    upload, other = create(database, user_id), add_user(database, "eve")
    for attempt in (uploads.find, uploads.delete):
        with pytest.raises(NotFound), database.write() as session:
            attempt(session, upload.id, other)
    with database.read() as session:
        assert uploads.find(session, upload.id, user_id).id == upload.id


def test_deleting_an_upload_tells_its_keys(database: Database, user_id: str) -> None:
    upload, other = create(database, user_id), create(database, user_id)
    append(database, upload, 0, 10)
    append(database, upload, 10, 10)
    append(database, other, 0, 10)
    with database.write() as session:
        keys = uploads.delete(session, upload.id, user_id)
    assert sorted(keys) == [f"uploads/{upload.id}/0-k", f"uploads/{upload.id}/10-k"]
    assert chunks_of(database, upload) == []
    assert chunks_of(database, other) == [0]


@pytest.mark.parametrize("state", ["waiting", "queued", "processing"])
def test_an_upload_that_a_conversion_needs_stays(database: Database, user_id: str, state: str) -> None:
    upload = create(database, user_id, lifetime_s=0)
    append(database, upload, 0, 10)
    add_job(database, upload, state)
    with database.write() as session:
        assert chunks.remove(session, upload.id) == []
        assert uploads.delete_expired(session, 10) == (0, [])
    with pytest.raises(Conflict), database.write() as session:
        uploads.delete(session, upload.id, user_id)
    end_jobs(database)
    with database.write() as session:
        assert len(uploads.delete(session, upload.id, user_id)) == 1


def test_expired_uploads_are_deleted_the_oldest_first(database: Database, user_id: str) -> None:
    first, second = create(database, user_id, lifetime_s=0), create(database, user_id, lifetime_s=0)
    fresh = create(database, user_id)
    for upload in (first, second, fresh):
        append(database, upload, 0, 1)
    with database.write() as session:
        assert uploads.delete_expired(session, 1) == (1, [f"uploads/{first.id}/0-k"])
        assert uploads.delete_expired(session, 10) == (1, [f"uploads/{second.id}/0-k"])
        assert uploads.delete_expired(session, 10) == (0, [])
        assert uploads.find(session, fresh.id, user_id).received_bytes == 1
