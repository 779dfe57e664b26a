"""The reader of tags believes nothing: it runs in the process that answers requests."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from video2mp3.engine.mp3.id3 import ID3_VERSIONS, id3_tag
from video2mp3.engine.mp3.id3_reader import (
    MAX_FRAMES,
    MAX_TAG_BYTES,
    WINDOW_BYTES,
    FoundChapter,
    FoundCover,
    FoundTag,
    read_tag,
)
from video2mp3.engine.report import MAX_CHAPTERS

PICTURE = b"\x89PNG\r\n\x1a\n and so on"
TEXTS = {"TIT2": "Über 東京 🎧", "TPE1": "Ada", "TALB": "Żółw"}
CHAPTERS = [(0, 500, "Begin"), (500, 1000, "Über 🎧"), (1000, 1500, "")]
NOTHING = FoundTag({}, (), None)

both_versions = pytest.mark.parametrize("version", ID3_VERSIONS)


class File:
    """A file in memory that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read_bytes = self.largest_read_bytes = 0

    def read(self, start: int, end: int) -> bytes:
        assert 0 <= start < end <= len(self.data)
        self.read_bytes += end - start
        self.largest_read_bytes = max(self.largest_read_bytes, end - start)
        return self.data[start:end]

    def tag(self) -> FoundTag:
        return read_tag(self.read, len(self.data), MAX_CHAPTERS)


def found(data: bytes) -> FoundTag:
    file = File(data)
    tag = file.tag()
    # Time is linear: the windows go forward, and but for less than half of each they do not overlap.
    assert file.read_bytes <= 2 * min(len(data), MAX_TAG_BYTES) + WINDOW_BYTES
    assert file.largest_read_bytes <= WINDOW_BYTES
    return tag


def tag_of(frames: bytes, size: bytes = b"\x7f\x7f\x7f\x7f") -> bytes:
    """A tag of version 2.3 whose size says more than there is."""
    return b"ID3\3\0\0" + size + frames


def frame(name: bytes, content: bytes, size_bytes: int | None = None) -> bytes:
    return name + (len(content) if size_bytes is None else size_bytes).to_bytes(4, "big") + b"\0\0" + content


def chapter(content: bytes, name: bytes = b"c") -> bytes:
    return frame(b"CHAP", name + b"\0" + bytes(16) + content)


def title(text: str) -> bytes:
    return frame(b"TIT2", b"\0" + text.encode("ascii"))


@both_versions
def test_what_is_written_is_read(version: str) -> None:
    tag = id3_tag(TEXTS, "no", {"x": "no"}, chapters=CHAPTERS, cover=("image/png", PICTURE), version=version)
    file = tag + b"\xff\xfb sound"
    read = found(file)
    assert read.texts == TEXTS
    assert read.chapters == (FoundChapter(0.0, "Begin"), FoundChapter(0.5, "Über 🎧"), FoundChapter(1.0, None))
    assert read.cover is not None
    assert (read.cover.media_type, file[read.cover.start : read.cover.end]) == ("image/png", PICTURE)


@both_versions
def test_the_most_chapters_that_are_written_are_read(version: str) -> None:
    chapters = [(n, n + 1, f"№ {n}") for n in range(MAX_CHAPTERS)]
    read = found(id3_tag(TEXTS, chapters=chapters, cover=("image/png", PICTURE), version=version))
    assert read.chapters == tuple(FoundChapter(start / 1000, text) for start, _, text in chapters)
    assert read.cover is not None


@both_versions
def test_a_tag_that_is_cut_off_has_what_is_whole(version: str) -> None:
    tag = id3_tag(TEXTS, chapters=CHAPTERS[:2], cover=("image/png", PICTURE), version=version)
    whole = found(tag)
    for length in range(len(tag)):
        cut = found(tag[:length])
        assert cut.texts.items() <= whole.texts.items()
        assert cut.chapters == whole.chapters[: len(cut.chapters)]
        assert cut.cover is None


@pytest.mark.parametrize("cover_bytes", [8_000_000, MAX_TAG_BYTES])
def test_a_picture_is_found_and_not_read(cover_bytes: int) -> None:
    """It should read the file's first bytes, and what follows the picture."""
    file = File(id3_tag(TEXTS, cover=("image/jpeg", bytes(cover_bytes))) + b"sound")
    cover = file.tag().cover
    assert cover == (FoundCover("image/jpeg", len(file.data) - cover_bytes - 5, len(file.data) - 5) if cover else None)
    assert (cover is not None) == (cover_bytes < MAX_TAG_BYTES)
    assert file.read_bytes <= 2 * WINDOW_BYTES


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ID3",
        b"\xff\xfb" * 100,
        b"ID3\2\0\0\0\0\0\x7f" + title("former version"),
        tag_of(title("x"), size=bytes(4)),
        tag_of(frame(b"TIT2", b"\0x", size_bytes=2**32 - 1)),
        tag_of(frame(b"T\xe4T2", b"\0x")),
        tag_of(frame(b"CHAP", b"c\0" + bytes(15))),
        tag_of(frame(b"CHAP", b"c" * 100_000)),
        tag_of(frame(b"CHAP", b"")),
        tag_of(frame(b"APIC", b"")),
        tag_of(frame(b"APIC", b"\0image/svg+xml\0\3\0<svg/>")),
        tag_of(frame(b"APIC", b"\0image/png\0\3no end of the description")),
        tag_of(frame(b"APIC", b"\0" * 100_000)),
    ],
)
def test_what_does_not_follow_the_format_is_left_out(data: bytes) -> None:
    assert found(data) == NOTHING


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"\0", ""),
        (b"\2\0x", ""),  # an encoding that is not written
        (b"\1\xff\xfeA\0B", "A\N{REPLACEMENT CHARACTER}"),  # half a UTF-16 character
        (b"\1\xff\xfe\x3d\xd8", "\N{REPLACEMENT CHARACTER}"),  # half a surrogate pair
        (b"\1\xff", "\N{REPLACEMENT CHARACTER}"),
        (b"\3\xc3", "\N{REPLACEMENT CHARACTER}"),
        (b"\0a\0b\r\nc", "a b c"),
        (b"\0" + b"x" * 1_000_000, "x" * 300),
        (b"\3" + "🎧".encode() * 200_000, "🎧" * 300),
        (b"\1" + ("🎧" * 200_000).encode("utf-16"), "🎧" * 300),
    ],
)
def test_any_text_is_one_bounded_line(content: bytes, text: str) -> None:
    assert found(tag_of(frame(b"TIT2", content) + title("a second one"))).texts == {"TIT2": text}


def test_chapters_in_chapters_are_not_read() -> None:
    nested = chapter(chapter(title("inner")) + title("outer"))
    assert found(tag_of(nested)).chapters == (FoundChapter(0.0, "outer"),)
    for _ in range(500):
        nested = chapter(nested)
    assert found(tag_of(nested)).chapters == (FoundChapter(0.0, None),)


@pytest.mark.parametrize(
    ("frames", "count"),
    [
        pytest.param(frame(b"ABCD", b"") * 500_000, 0, id="empty frames"),
        pytest.param(chapter(b"") * 100_000, MAX_CHAPTERS, id="chapters"),
        pytest.param(chapter(frame(b"ABCD", b"") * 100) * 4000, MAX_FRAMES // 101, id="in chapters"),
    ],
)
def test_the_number_of_frames_is_bounded(frames: bytes, count: int) -> None:
    file = File(tag_of(title("x") + frames))
    tag = file.tag()
    assert tag.texts == {"TIT2": "x"}
    assert abs(len(tag.chapters) - count) <= 1
    assert file.read_bytes <= MAX_FRAMES * 50 + WINDOW_BYTES


_WHOLE = id3_tag(TEXTS, chapters=CHAPTERS, cover=("image/png", PICTURE))


@given(st.binary(max_size=2000), st.sampled_from([b"", tag_of(b""), b"ID3\4\0\0\0\0\x7f\x7f", _WHOLE[:30]]))
@example(b"APIC" + b"\xff" * 8, b"ID3\3\0\0\x7f\x7f\x7f\x7f")
def test_no_bytes_make_it_fail(data: bytes, head: bytes) -> None:
    found(head + data)


@given(st.integers(0, len(_WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_no_change_of_a_tag_makes_it_fail(at: int, change: bytes) -> None:
    found(_WHOLE[:at] + change + _WHOLE[at + len(change) :])
