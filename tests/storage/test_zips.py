import io
import zipfile
from collections.abc import Generator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2mp3.storage.zips import Member, zip_size_bytes, zip_stream

MOMENT_S = 1_700_000_000


def member(name: str, content: bytes) -> Member:
    pieces = [content[start : start + 1000] for start in range(0, len(content), 1000)]
    return Member(name, len(content), MOMENT_S, lambda: iter(pieces))


def read(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archived:
        assert archived.testzip() is None
        assert {info.date_time for info in archived.infolist()} <= {(2023, 11, 14, 22, 13, 20)}
        return {name: archived.read(name) for name in archived.namelist()}


@given(st.dictionaries(st.text("abcäöü 文件🎵'&", min_size=1, max_size=50), st.binary(max_size=3000), max_size=5))
def test_what_goes_in_comes_out_and_the_size_was_known(files: dict[str, bytes]) -> None:
    members = [member(name, content) for name, content in files.items()]
    data = b"".join(zip_stream(members))
    assert len(data) == zip_size_bytes(members)
    assert read(data) == files


@pytest.mark.parametrize("limit", [10, 1000, 5000])
def test_large_numbers_are_written_as_zip64_says(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """It should be read back where sizes, offsets and counts do not fit into the old fields."""
    sizes = {"a": 5, "b": 2000, "c": 7, "d": 6000}
    files = {name: name.encode() * size for name, size in sizes.items()}
    members = [member(name, content) for name, content in files.items()]
    plain = b"".join(zip_stream(members))
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", limit)
    data = b"".join(zip_stream(members))
    assert len(data) == zip_size_bytes(members) > len(plain)
    assert read(data) == read(plain) == files


def test_the_size_of_what_is_larger_than_memory_is_known_without_reading_it() -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError

    size_bytes = 5 * 1024**3
    huge = [Member(f"{number}.mp3", size_bytes, MOMENT_S, never) for number in range(3)]
    assert 0 < zip_size_bytes(huge) - 3 * size_bytes < 1000


def test_more_members_than_the_old_field_counts_are_read_back() -> None:
    members = [member(str(number), b"") for number in range(65_536)]
    data = b"".join(zip_stream(members))
    assert len(data) == zip_size_bytes(members)
    assert len(read(data)) == len(members)


def test_a_stream_that_fails_or_is_given_up_ends_the_zip() -> None:
    """It should raise that error, and close without one where nobody reads on."""

    def broken() -> Iterator[bytes]:
        yield b"1"
        raise OSError("gone")

    failing = zip_stream([member("a", b"1"), Member("b", 2, MOMENT_S, broken)])
    with pytest.raises(OSError, match="gone"):
        list(failing)
    given_up = zip_stream([member("a", b"1" * 5000)])
    next(given_up)
    assert isinstance(given_up, Generator)
    given_up.close()
