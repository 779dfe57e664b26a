"""It should pass on no byte of an upload that was damaged, wherever it lies and whoever reads it."""

import random
from pathlib import Path

import pytest

from tests.jobs.objects import put
from tests.uploads.test_writer import CHUNK, keys_in, listed, upload_id, writer_of  # noqa: F401  # a fixture
from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.errors import StoredDataDamaged
from video2mp3.storage import Storage
from video2mp3.uploads import UploadSource

DATA = random.Random(2).randbytes(3 * CHUNK)


def damage(storage: Storage, key: str) -> None:
    data = bytearray(storage.read(key, 0, storage.size_bytes(key)))
    data[-1] ^= 0x80
    put(storage, key, bytes(data))


def test_a_damaged_chunk_is_not_read_and_the_others_are(
    database: Database,
    storage: Storage,
    upload_id: str,  # noqa: F811
) -> None:
    writer = writer_of(database, storage, upload_id)
    writer.write(DATA)
    damage(storage, sorted(keys_in(storage))[1])
    source = UploadSource(database, storage, upload_id)
    assert source.read_at(0, CHUNK) == DATA[:CHUNK]
    assert source.read_at(2 * CHUNK, CHUNK) == DATA[2 * CHUNK :]
    for start, size in ((CHUNK, 1), (0, CHUNK + 1), (2 * CHUNK - 1, 2)):
        with pytest.raises(StoredDataDamaged):
            source.read_at(start, size)
    with pytest.raises(StoredDataDamaged):
        list(source.stream())


def test_an_upload_that_still_comes_is_verified_too(
    database: Database,
    storage: Storage,
    upload_id: str,  # noqa: F811
) -> None:
    with database.write() as session:
        assert uploads.declare_size(session, upload_id, len(DATA))
    writer = writer_of(database, storage, upload_id)
    writer.write(DATA[: 2 * CHUNK])
    damage(storage, sorted(keys_in(storage))[1])
    source = uploads.open_upload(database, storage, upload_id, lambda: False)
    assert source.size_bytes == len(DATA)
    assert source.read_at(0, CHUNK) == DATA[:CHUNK]
    with pytest.raises(StoredDataDamaged):
        source.read_at(CHUNK, 10)


def test_a_damaged_chunk_is_not_merged(database: Database, storage: Storage, upload_id: str) -> None:  # noqa: F811
    """It should not get new checksums, which would make it good."""
    first = writer_of(database, storage, upload_id)
    first.write(DATA[:10])
    first.close()
    (key,) = keys_in(storage)
    damage(storage, key)
    second = writer_of(database, storage, upload_id, 10)
    second.write(DATA[10:20])
    with pytest.raises(StoredDataDamaged):
        second.close()
    second.discard()
    assert listed(database) == {key}
    assert list(storage.scratch_folder.iterdir()) == []


def test_what_was_damaged_in_the_scratch_folder_is_not_merged(
    database: Database,
    storage: Storage,
    upload_id: str,  # noqa: F811
) -> None:
    first = writer_of(database, storage, upload_id)
    first.write(DATA[:10])
    first.close()
    second = writer_of(database, storage, upload_id, 10)
    second.write(DATA[10:20])
    assert second._scratch is not None
    second._scratch.flush()
    (path,) = storage.scratch_folder.iterdir()
    _flip_first_bit(path)
    with pytest.raises(StoredDataDamaged):
        second.close()
    second.discard()


def test_what_was_damaged_in_the_scratch_folder_is_found(
    database: Database,
    storage: Storage,
    upload_id: str,  # noqa: F811
) -> None:
    """It should be seen at the first read: the checksums are of what came, not of what was written."""
    writer = writer_of(database, storage, upload_id)
    writer.write(DATA[:100])
    assert writer._scratch is not None
    writer._scratch.flush()
    (path,) = storage.scratch_folder.iterdir()
    _flip_first_bit(path)
    writer.close()
    with pytest.raises(StoredDataDamaged):
        UploadSource(database, storage, upload_id).read_at(0, 100)


def _flip_first_bit(path: Path) -> None:
    with path.open("r+b") as file:
        first = file.read(1)[0]
        file.seek(0)
        file.write(bytes([first ^ 1]))
