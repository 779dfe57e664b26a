import random
import shutil
import threading
import tracemalloc
from pathlib import Path

import pytest
from sqlalchemy import select

from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.database.tables import Upload, UploadChunk
from video2mp3.errors import Conflict, NotFound, StorageUnavailable, StoredDataDamaged, UploadTooLarge, WrongOffset
from video2mp3.storage import Storage
from video2mp3.uploads import ChunkWriter, UploadSource

CHUNK = 1000


@pytest.fixture
def upload_id(database: Database, user_id: str) -> str:
    with database.write() as session:
        return uploads.create(session, user_id=user_id, name="talk.mp4", size_bytes=None, lifetime_s=60).id


def writer_of(
    database: Database, storage: Storage, upload_id: str, offset_bytes: int = 0, **limits: int
) -> ChunkWriter:
    limits = {"max_size_bytes": 10**9, "chunk_size_bytes": CHUNK, **limits}
    return ChunkWriter(database, storage, upload_id, offset_bytes, **limits, on_listed=None)


def keys_in(storage: Storage) -> set[str]:
    return {found.key for found in storage.list("uploads/")}


def listed(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(UploadChunk.storage_key)))


def scratch_files(storage: Storage) -> list[Path]:
    return list(storage.scratch_folder.iterdir())


def test_what_was_written_in_any_pieces_is_read_back(database: Database, storage: Storage, upload_id: str) -> None:
    data = random.Random(1).randbytes(5 * CHUNK + 17)
    writer = writer_of(database, storage, upload_id)
    at = 0
    for size in (1, 999, 1, 2500, 0, 1499, 10_000):
        writer.write(data[at : at + size])
        at += size
    writer.close()
    source = UploadSource(database, storage, upload_id)
    assert (source.name, source.size_bytes) == ("talk.mp4", len(data))
    assert source.read_at(0, 10**6) == data
    assert b"".join(source.stream()) == data
    assert len(keys_in(storage)) == 6
    assert scratch_files(storage) == []


def test_any_range_is_read_across_the_chunks(database: Database, storage: Storage, upload_id: str) -> None:
    data = random.Random(2).randbytes(3 * CHUNK + 5)
    writer = writer_of(database, storage, upload_id)
    writer.write(data)
    writer.close()
    source = UploadSource(database, storage, upload_id)
    for start, end in [(0, 0), (0, 1), (999, 1001), (1000, 2000), (1, 3004), (3004, 3005), (3000, 9999), (9999, 10000)]:
        assert source.read_at(start, end - start) == data[start:end]
        assert b"".join(source.stream(start, end)) == data[start:end]


def test_many_threads_read_at_once(database: Database, storage: Storage, upload_id: str) -> None:
    data = random.Random(3).randbytes(5 * CHUNK)
    writer = writer_of(database, storage, upload_id)
    writer.write(data)
    writer.close()
    source = UploadSource(database, storage, upload_id)
    wrong: list[int] = []

    def read(seed: int) -> None:
        numbers = random.Random(seed)
        for _ in range(20):
            start = numbers.randrange(len(data))
            if source.read_at(start, 1500) != data[start : start + 1500]:
                wrong.append(start)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_pieces_of_a_stream_are_small(database: Database, storage: Storage, upload_id: str) -> None:
    writer = writer_of(database, storage, upload_id, chunk_size_bytes=1_000_000)
    writer.write(bytes(1_500_000))
    writer.close()
    sizes = [len(piece) for piece in UploadSource(database, storage, upload_id).stream(5)]
    assert max(sizes) <= 256 * 1024
    assert sum(sizes) == 1_499_995


def test_a_chunk_is_listed_only_when_it_is_stored(database: Database, storage: Storage, upload_id: str) -> None:
    writer = writer_of(database, storage, upload_id)
    writer.write(bytes(CHUNK - 1))
    assert (listed(database), writer.offset_bytes, writer.received_bytes) == (set(), 0, CHUNK - 1)
    writer.write(bytes(2))
    assert listed(database) == keys_in(storage)
    assert (len(listed(database)), writer.offset_bytes, writer.received_bytes) == (1, CHUNK, CHUNK + 1)
    writer.discard()


def test_an_upload_goes_on_where_it_stopped(database: Database, storage: Storage, upload_id: str) -> None:
    data = random.Random(4).randbytes(2500)
    first = writer_of(database, storage, upload_id)
    first.write(data[:1700])
    first.discard()
    second = writer_of(database, storage, upload_id, first.offset_bytes)
    second.write(data[first.offset_bytes :])
    second.close()
    assert UploadSource(database, storage, upload_id).read_at(0, 9999) == data
    assert scratch_files(storage) == []


def test_of_two_parallel_writers_one_wins_and_the_other_leaves_nothing(
    database: Database, storage: Storage, upload_id: str
) -> None:
    start, lost, won = threading.Barrier(2), [], []

    def write(byte: bytes) -> None:
        writer = writer_of(database, storage, upload_id)
        start.wait()
        try:
            writer.write(byte * CHUNK)
            won.append(byte)
        except Conflict:
            writer.discard()
            lost.append(byte)

    threads = [threading.Thread(target=write, args=(byte,)) for byte in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 1)
    assert UploadSource(database, storage, upload_id).read_at(0, 9999) == won[0] * CHUNK
    assert keys_in(storage) == listed(database)
    assert scratch_files(storage) == []


def test_small_pieces_are_stored_again_as_larger_ones(database: Database, storage: Storage, upload_id: str) -> None:
    """It should keep few chunks, in whatever sizes they come, and lose nothing to who reads meanwhile."""
    numbers = random.Random(5)
    sizes = [1] * 20 + list(range(40, 0, -1)) + [numbers.randrange(1, 3 * CHUNK) for _ in range(6)] + [7] * 10
    data = numbers.randbytes(sum(sizes))
    at, reader = 0, None
    for size in sizes:
        writer = writer_of(database, storage, upload_id, at)
        writer.write(data[at : at + size])
        writer.close()
        at += size
        if reader is not None:
            assert reader.read_at(0, reader.size_bytes) == data[: reader.size_bytes]
        reader = UploadSource(database, storage, upload_id)
        assert reader.read_at(0, 10**6) == data[:at]
        assert len(listed(database)) <= 2 * at / CHUNK + 10
    assert keys_in(storage) == listed(database)
    assert scratch_files(storage) == []


def test_of_two_that_store_small_pieces_again_one_wins(database: Database, storage: Storage, upload_id: str) -> None:
    for offset in range(2):
        writer = writer_of(database, storage, upload_id, offset)
        writer.write(b"x")
        writer.close()
    (before,) = keys_in(storage)
    both = [writer_of(database, storage, upload_id, 2) for _ in range(2)]
    for writer in both:
        writer.write(b"y")
    both[0].close()
    with pytest.raises(WrongOffset):
        both[1].close()
    both[1].discard()
    assert UploadSource(database, storage, upload_id).read_at(0, 9) == b"xxy"
    assert keys_in(storage) == listed(database) != {before}
    assert scratch_files(storage) == []


def test_over_the_limit_nothing_more_is_taken(database: Database, storage: Storage, upload_id: str) -> None:
    writer = writer_of(database, storage, upload_id, max_size_bytes=1500)
    writer.write(bytes(1500))
    with pytest.raises(UploadTooLarge):
        writer.write(b"x")
    assert len(keys_in(storage)) == 1
    writer.abort()
    assert keys_in(storage) == set()


def test_an_aborted_upload_leaves_nothing(database: Database, storage: Storage, upload_id: str) -> None:
    writer = writer_of(database, storage, upload_id)
    writer.write(bytes(2500))
    assert len(keys_in(storage)) == 2
    assert len(scratch_files(storage)) == 1
    writer.abort()
    assert (keys_in(storage), scratch_files(storage), listed(database)) == (set(), [], set())
    with database.read() as session:
        assert session.get(Upload, upload_id) is None
    with pytest.raises(NotFound):
        UploadSource(database, storage, upload_id)


def test_a_deleted_upload_takes_nothing_more(
    database: Database, storage: Storage, upload_id: str, user_id: str
) -> None:
    writer = writer_of(database, storage, upload_id)
    writer.write(bytes(CHUNK))
    with database.write() as session:
        keys = uploads.delete(session, upload_id, user_id)
    assert set(keys) == keys_in(storage)
    with pytest.raises(Conflict):
        writer.write(bytes(CHUNK))
    assert keys_in(storage) == set(keys)


def test_a_scratch_folder_that_is_gone_is_the_storage_s_error(
    database: Database, storage: Storage, upload_id: str
) -> None:
    shutil.rmtree(storage.scratch_folder)
    with pytest.raises(StorageUnavailable):
        writer_of(database, storage, upload_id).write(b"x")


def test_a_stored_object_that_lost_bytes_is_noticed(database: Database, storage: Storage, upload_id: str) -> None:
    writer = writer_of(database, storage, upload_id)
    writer.write(bytes(CHUNK))
    (key,) = keys_in(storage)
    shorter = storage.scratch_folder / "shorter"
    shorter.write_bytes(bytes(CHUNK - 1))
    storage.put_file(key, shorter)
    with pytest.raises(StoredDataDamaged):
        UploadSource(database, storage, upload_id).read_at(0, CHUNK)


def test_a_large_upload_needs_little_memory(
    tmp_path: Path, database: Database, storage: Storage, upload_id: str
) -> None:
    piece = bytes(256 * 1024)
    writer = ChunkWriter(database, storage, upload_id, max_size_bytes=10**9)
    writer.write(piece)
    tracemalloc.start()
    for _ in range(80):
        writer.write(piece)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    writer.close()
    assert len(keys_in(storage)) == 3
    # The S3 client reads the scratch file by parts; the disk store only renames it.
    assert peak_bytes < (1 if "disk" in type(storage).__module__ else 12) * 1024**2
