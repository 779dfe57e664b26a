import os
import random
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.sounds import BytesSource
from video2mp3.engine.source import FileSource, RangeReader, RangeServer, SourceFailed, SourceFile
from video2mp3.errors import StorageUnavailable

DATA = random.Random(3).randbytes(3_000_017)


def reader_of(source: BytesSource) -> tuple[RangeServer, RangeReader]:
    server = RangeServer(source)
    theirs = socket.socket(fileno=os.dup(server.theirs.fileno()))
    server.start()
    return server, RangeReader(theirs, source.size_bytes)


def test_a_whole_file_comes_through_in_few_requests() -> None:
    source = BytesSource(DATA)
    server, reader = reader_of(source)
    file = SourceFile(reader.read_at, len(DATA))
    received = bytearray()
    while part := file.read(5000):
        received += part
    server.close()
    assert received == DATA
    assert len(source.requests) < 10


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, len(DATA) + 10), st.integers(0, 300_000)), max_size=20))
def test_any_reading_about_gives_the_right_bytes(reads: list[tuple[int, int]]) -> None:
    server, reader = reader_of(BytesSource(DATA))
    file = SourceFile(reader.read_at, len(DATA))
    for offset, size in reads:
        assert file.look_at(offset, size) == DATA[offset : offset + size]
    server.close()


def test_seeking_is_as_in_any_file() -> None:
    file = SourceFile(lambda offset, size: DATA[offset : offset + size], len(DATA))
    assert file.seek(-10, os.SEEK_END) == len(DATA) - 10
    assert file.read(100) == DATA[-10:]
    assert file.read(100) == b""
    assert file.seek(5) == 5
    assert file.seek(2, os.SEEK_CUR) == 7
    assert file.read(3) == DATA[7:10]
    assert file.seek(-999, os.SEEK_SET) == 0


def test_a_failing_source_fails_the_reader_and_is_kept_for_the_parent() -> None:
    error = StorageUnavailable()

    def fail(count: int) -> None:
        raise error

    server, reader = reader_of(BytesSource(DATA, fail))
    file = SourceFile(reader.read_at, len(DATA))
    with pytest.raises(SourceFailed):
        file.read(10)
    assert file.failed
    server.close()
    assert server.error is error


def test_a_file_source_has_the_file_s_descriptor(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(DATA)
    with FileSource(tmp_path / "talk.mp4") as source:
        assert (source.name, source.size_bytes) == ("talk.mp4", len(DATA))
        assert source.read_at(100, 50) == os.pread(source.fileno(), 50, 100) == DATA[100:150]
