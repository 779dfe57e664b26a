"""A small writer of ID3v2.3 and ID3v2.4 tags.

Sources: id3.org, ID3v2.3.0 and ID3v2.4.0 (structure, native frames), and the ID3v2 Chapter Frame Addendum.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

MAX_TEXT_LENGTH = 300
ID3_VERSIONS = ("2.3", "2.4")
"""The first one is the default."""

_HEADER_BYTES = 10
_LATIN_1, _UTF_16, _UTF_8 = b"\0", b"\1", b"\3"
_BYTE_ORDER_MARK = b"\xff\xfe"
_FRONT_COVER = b"\3"
_TOP_LEVEL, _ORDERED = 2, 1
_MAX_ENTRIES = 255
"""A CTOC frame counts its entries in one byte."""
_NO_BYTE_OFFSETS = b"\xff" * 8
_DATE = re.compile(r"(\d{4})(?:-(\d\d)-(\d\d))?")

_JOINERS = "\u200c\u200d"
"""Invisible characters that Persian, Indic scripts and emoji need."""


def clean_text(text: str, max_length: int = MAX_TEXT_LENGTH) -> str:
    """Returns untrusted text as one bounded line without control characters."""
    printable = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text[: 4 * max_length])
    return " ".join(printable.split())[:max_length].rstrip()


def id3_tag(
    texts: Mapping[str, str],
    comment: str = "",
    others: Mapping[str, str] | None = None,
    *,
    chapters: Sequence[tuple[int, int, str]] = (),
    cover: tuple[str, bytes] | None = None,
    version: str = ID3_VERSIONS[0],
    least_bytes: int = 0,
) -> bytes:
    """Returns a tag, or no bytes if there is nothing to write.

    Args:
        texts: text frames by their names in ID3v2.4 (`TIT2`, `TDRC` …).
        comment: for a `COMM` frame without a language.
        others: texts with custom names, for `TXXX` frames.
        chapters: start and end in milliseconds and title, for `CHAP` and `CTOC` frames.
        cover: media type and bytes of the front cover, for an `APIC` frame.
        version: one of `ID3_VERSIONS`.
        least_bytes: size to which the tag is padded with zeros.
    """
    frames = _Frames(version)
    for frame_id, text in texts.items():
        if cleaned := clean_text(text):
            frames.add_text(frame_id, cleaned)
    if comment:
        encoding, empty, text_bytes = frames.encoded("", comment)
        frames.add("COMM", encoding + b"und" + empty + text_bytes)
    for name, text in (others or {}).items():
        frames.add("TXXX", b"".join(frames.encoded(name, text)))
    if chapters:
        _add_chapters(frames, chapters)
    if cover:
        frames.add("APIC", _LATIN_1 + cover[0].encode("ascii") + b"\0" + _FRONT_COVER + b"\0" + cover[1])
    data = bytes(frames.data).ljust(least_bytes - _HEADER_BYTES, b"\0")
    return b"ID3" + bytes((int(version[-1]), 0, 0)) + _syncsafe(len(data)) + data if data else b""


class _Frames:
    """The frames of a tag, or within a frame, in the format of one version."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.data = bytearray()
        self._is_2_3 = version == "2.3"

    def add(self, frame_id: str, content: bytes) -> None:
        size = len(content).to_bytes(4, "big") if self._is_2_3 else _syncsafe(len(content))
        self.data += frame_id.encode("ascii") + size + b"\0\0" + content

    def add_text(self, frame_id: str, text: str) -> None:
        if self._is_2_3 and frame_id == "TDRC":
            for old_id, part in _date_frames(text):
                self.add_text(old_id, part)
        else:
            self.add(frame_id, b"".join(self.encoded(text)))

    def encoded(self, *texts: str) -> list[bytes]:
        """Returns the byte that names the encoding, and the texts, of which all but the last are terminated.

        ID3v2.3 has no UTF-8. Its Latin-1 is written for ASCII only: many players read it as the code page of their
        country.
        """
        if not self._is_2_3:
            encoding, mark, codec, end = _UTF_8, b"", "utf-8", b"\0"
        elif all(text.isascii() for text in texts):
            encoding, mark, codec, end = _LATIN_1, b"", "ascii", b"\0"
        else:
            encoding, mark, codec, end = _UTF_16, _BYTE_ORDER_MARK, "utf-16-le", b"\0\0"
        *terminated, last = (mark + text.encode(codec, "replace") for text in texts)
        return [encoding, *(text + end for text in terminated), last]


def _date_frames(date: str) -> Iterator[tuple[str, str]]:
    """Yields the frames of ID3v2.3 for a date. It cannot hold a month without a day."""
    if found := _DATE.match(date):
        year, month, day = found.groups()
        yield "TYER", year
        if day:
            yield "TDAT", day + month


def _add_chapters(frames: _Frames, chapters: Sequence[tuple[int, int, str]]) -> None:
    _add_contents(frames, b"toc", [b"chp%d" % number for number in range(len(chapters))], _TOP_LEVEL)
    for number, (start_ms, end_ms, title) in enumerate(chapters):
        embedded = _Frames(frames.version)
        if title:
            embedded.add_text("TIT2", title)
        times = start_ms.to_bytes(4, "big") + end_ms.to_bytes(4, "big") + _NO_BYTE_OFFSETS
        frames.add("CHAP", b"chp%d\0" % number + times + embedded.data)


def _add_contents(frames: _Frames, element_id: bytes, entries: Sequence[bytes], level: int = 0) -> None:
    """Adds a table of contents; more entries than one can hold are spread over tables below it."""
    groups = [entries[start : start + _MAX_ENTRIES] for start in range(0, len(entries), _MAX_ENTRIES)]
    below = [b"%s.%d" % (element_id, number) for number in range(len(groups))] if len(groups) > 1 else []
    names = below or entries
    assert len(names) <= _MAX_ENTRIES
    frames.add("CTOC", b"%s\0%c%c" % (element_id, level | _ORDERED, len(names)) + b"".join(n + b"\0" for n in names))
    for name, group in zip(below, groups, strict=True) if below else ():
        _add_contents(frames, name, group)


def read_syncsafe(data: bytes) -> int:
    """Decodes a size with seven bits per byte."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(data)))


def _syncsafe(number: int) -> bytes:
    """Encodes a size with seven bits per byte, so that it never looks like a frame header."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
