"""It should give out no byte that was not stored, whichever bit of an object was flipped."""

import os
import random
import threading
import zlib
from pathlib import Path

import pytest

from tests.jobs.objects import put
from video2mp3.errors import NotFound, StoredDataDamaged
from video2mp3.storage import Storage
from video2mp3.storage.checksums import BLOCK_BYTES, Checksums, VerifiedObject, checksums_of, checksums_of_file
from video2mp3.storage.disk import DiskStorage

KEY = "results/0/1.mp3"
SIZES = (1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES, 5 * BLOCK_BYTES + 7)


def stored(storage: Storage, data: bytes) -> VerifiedObject:
    return VerifiedObject(put(storage, KEY, data), len(data), checksums_of(data))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("size_bytes", SIZES)
def test_checksums_are_the_crc_32_of_each_block(size_bytes: int) -> None:
    data = os.urandom(size_bytes)
    blocks = [data[start : start + BLOCK_BYTES] for start in range(0, size_bytes, BLOCK_BYTES)]
    assert checksums_of(data) == b"".join(zlib.crc32(block).to_bytes(4, "big") for block in blocks)


@pytest.mark.parametrize("size_bytes", SIZES)
def test_checksums_do_not_depend_on_the_pieces(tmp_path: Path, size_bytes: int) -> None:
    data = os.urandom(size_bytes)
    pieces, checksums, rest = random.Random(size_bytes), Checksums(), data
    while rest:
        wanted = pieces.randint(1, 2 * BLOCK_BYTES)
        checksums.update(rest[:wanted])
        rest = rest[wanted:]
    (tmp_path / "file").write_bytes(data)
    assert checksums.value() == checksums_of(data) == checksums_of_file(tmp_path / "file")[0]


def test_no_bytes_have_no_checksums() -> None:
    assert checksums_of(b"") == b""


def test_any_range_is_read(storage: Storage) -> None:
    data = os.urandom(3 * BLOCK_BYTES + 100)
    checked = stored(storage, data)
    edges = [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES, len(data) - 1, len(data)]
    for start in edges:
        for end in (*edges, len(data) + 1000):
            assert checked.read(storage, start, max(0, end - start)) == data[start : max(start, end)]
            assert b"".join(checked.stream(storage, start, end)) == data[start : max(start, end)]


def test_a_stream_reads_no_block_twice(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    checked = stored(storage, os.urandom(10 * BLOCK_BYTES))
    spans: list[tuple[int, int]] = []
    read = storage.read

    def reading(key: str, offset_bytes: int, size_bytes: int) -> bytes:
        spans.append((offset_bytes, offset_bytes + size_bytes))
        return read(key, offset_bytes, size_bytes)

    storage.read = reading  # type: ignore[method-assign]
    pieces = list(checked.stream(storage, 3 * BLOCK_BYTES + 5, 10 * BLOCK_BYTES))
    assert all(len(piece) <= 256 * 1024 for piece in pieces)
    assert [start for start, _ in spans] == [3 * BLOCK_BYTES, *(end for _, end in spans[:-1])]


@pytest.mark.parametrize("size_bytes", [1, BLOCK_BYTES, 2 * BLOCK_BYTES + 9])
def test_a_flipped_bit_is_found_wherever_it_is(storage: Storage, size_bytes: int) -> None:
    data = os.urandom(size_bytes)
    checked = stored(storage, data)
    for bit in (0, size_bytes * 4, size_bytes * 8 - 1):
        put(storage, KEY, flipped(data, bit))
        with pytest.raises(StoredDataDamaged):
            checked.read(storage, bit // 8, 1)
        with pytest.raises(StoredDataDamaged):
            b"".join(checked.stream(storage))


def test_bytes_that_are_missing_are_found(storage: Storage) -> None:
    data = os.urandom(BLOCK_BYTES + 10)
    checked = stored(storage, data)
    put(storage, KEY, data[:-1])
    assert checked.read(storage, 0, BLOCK_BYTES) == data[:BLOCK_BYTES]
    with pytest.raises(StoredDataDamaged):
        checked.read(storage, BLOCK_BYTES, 1)


def test_blocks_in_another_order_are_found(storage: Storage) -> None:
    data = os.urandom(2 * BLOCK_BYTES)
    checked = stored(storage, data)
    put(storage, KEY, data[BLOCK_BYTES:] + data[:BLOCK_BYTES])
    with pytest.raises(StoredDataDamaged):
        checked.read(storage, 0, 1)


def test_whole_blocks_are_given_out_though_another_is_damaged(storage: Storage) -> None:
    data = os.urandom(2 * BLOCK_BYTES)
    checked = stored(storage, data)
    put(storage, KEY, flipped(data, 0))
    assert checked.read(storage, BLOCK_BYTES, BLOCK_BYTES) == data[BLOCK_BYTES:]


def test_an_object_that_is_gone_is_not_found(storage: Storage) -> None:
    with pytest.raises(NotFound):
        VerifiedObject(KEY, 3, checksums_of(b"abc")).read(storage, 0, 3)


def test_a_wrong_answer_of_the_storage_is_asked_for_again(tmp_path: Path) -> None:
    """It should serve the bytes where only one reading of them was wrong."""
    storage = DiskStorage(tmp_path)
    data = os.urandom(1000)
    checked = stored(storage, data)
    read, first = storage.read, threading.Event()

    def wrong_once(key: str, offset_bytes: int, size_bytes: int) -> bytes:
        found = read(key, offset_bytes, size_bytes)
        if first.is_set():
            return found
        first.set()
        return flipped(found, 17)

    storage.read = wrong_once  # type: ignore[method-assign]
    assert checked.read(storage, 0, 1000) == data
    assert first.is_set()
