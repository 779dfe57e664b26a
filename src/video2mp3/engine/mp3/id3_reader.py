"""A small reader of the tags that `id3.py` writes, for pages that show them.

The child that wrote them read a stranger's file, so nothing here is believed: sizes are bounded, and what does not
follow the format ends the reading.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from video2mp3.engine.mp3.id3 import clean_text

HEADER_BYTES = 10
MAX_TAG_BYTES = 9_000_000
"""The largest cover, and the most chapters with long titles."""

_CODECS = {0: "latin-1", 1: "utf-16", 3: "utf-8"}
_PICTURES = ("image/jpeg", "image/png")
_CHAPTER_TIMES_BYTES = 16


@dataclass(frozen=True)
class FoundChapter:
    """A chapter of an MP3. Untrusted."""

    start_s: float
    title: str | None


@dataclass(frozen=True)
class FoundTag:
    """The contents of a tag. Untrusted."""

    texts: dict[str, str]
    """By the names of their frames, such as `TIT2`; cleaned."""
    chapters: tuple[FoundChapter, ...]
    cover: tuple[str, bytes] | None
    """Media type (JPEG or PNG) and bytes of the picture."""


def tag_size(head: bytes) -> int:
    """Returns the size of the tag that begins with these `HEADER_BYTES`, bounded; 0 if none does."""
    if len(head) < HEADER_BYTES or head[:3] != b"ID3" or head[3] not in (3, 4):
        return 0
    return min(MAX_TAG_BYTES, HEADER_BYTES + _syncsafe(head[6:10]))


def read_tag(data: bytes) -> FoundTag:
    """Returns what a tag contains; frames of other kinds are skipped."""
    texts: dict[str, str] = {}
    chapters: list[FoundChapter] = []
    cover: tuple[str, bytes] | None = None
    if tag_size(data[:HEADER_BYTES]):
        is_2_3 = data[3] == 3
        for frame_id, content in _frames(data[HEADER_BYTES:], is_2_3=is_2_3):
            if frame_id == "APIC":
                cover = cover or _cover(content)
            elif frame_id == "CHAP":
                chapters += _chapter(content, is_2_3=is_2_3)
            elif frame_id.startswith("T") and frame_id != "TXXX":
                texts.setdefault(frame_id, _text(content))
    return FoundTag(texts, tuple(chapters), cover)


def _frames(data: bytes, *, is_2_3: bool) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at + HEADER_BYTES <= len(data) and data[at : at + 4].isalnum():
        size = data[at + 4 : at + 8]
        end = at + HEADER_BYTES + (int.from_bytes(size, "big") if is_2_3 else _syncsafe(size))
        yield data[at : at + 4].decode("ascii"), data[at + HEADER_BYTES : end]
        at = end


def _text(content: bytes) -> str:
    codec = _CODECS.get(content[0] if content else -1)
    return clean_text(content[1:].decode(codec, "replace")) if codec else ""


def _chapter(content: bytes, *, is_2_3: bool) -> Iterator[FoundChapter]:
    _, _, rest = content.partition(b"\0")
    if len(rest) < _CHAPTER_TIMES_BYTES:
        return
    titles = (_text(text) for name, text in _frames(rest[_CHAPTER_TIMES_BYTES:], is_2_3=is_2_3) if name == "TIT2")
    yield FoundChapter(int.from_bytes(rest[:4], "big") / 1000, next(titles, None))


def _cover(content: bytes) -> tuple[str, bytes] | None:
    media_type, _, rest = content[1:].partition(b"\0")
    _, _, picture = rest[1:].partition(b"\0")
    kind = media_type.decode("latin-1")
    return (kind, picture) if kind in _PICTURES else None


def _syncsafe(size: bytes) -> int:
    number = 0
    for byte in size:
        number = number << 7 | byte & 0x7F
    return number
