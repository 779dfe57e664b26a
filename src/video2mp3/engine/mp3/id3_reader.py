"""A small reader of the tags that `id3.py` writes, for pages that show them.

The child that wrote them read a stranger's file, so nothing here is believed: sizes and numbers are bounded, and what
does not follow the format ends the reading. Pictures are found, not read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from video2mp3.engine.mp3.id3 import MAX_TEXT_LENGTH, clean_text, read_syncsafe

WINDOW_BYTES = 64 * 1024
"""What is read at once, and held."""
MAX_TAG_BYTES = 9_000_000
"""The largest cover, and the most chapters with long titles."""
MAX_FRAMES = 16_000
"""With those in chapters: twice as many as the most chapters have."""

Read = Callable[[int, int], bytes]
"""Returns the bytes of the file from an offset up to another one (exclusive)."""

_HEADER_BYTES = 10
_CODECS = {0: "latin-1", 1: "utf-16", 3: "utf-8"}
# The encoding and a byte order mark, and up to four bytes for each character that `clean_text` looks at.
_MAX_TEXT_BYTES = 3 + 4 * 4 * MAX_TEXT_LENGTH
_PICTURES = ("image/jpeg", "image/png")
_CHAPTER_TIMES_BYTES = 16
_MAX_NAME_BYTES = 64


@dataclass(frozen=True)
class FoundChapter:
    """A chapter of an MP3. Untrusted."""

    start_s: float
    title: str | None


@dataclass(frozen=True)
class FoundCover:
    """Where the picture is in the file. Untrusted."""

    media_type: str
    """That of JPEG or PNG."""
    start: int
    end: int
    """Exclusive."""


@dataclass(frozen=True)
class FoundTag:
    """The contents of a tag. Untrusted."""

    texts: dict[str, str]
    """By the names of their frames, such as `TIT2`; cleaned."""
    chapters: tuple[FoundChapter, ...]
    cover: FoundCover | None


def read_tag(read: Read, size_bytes: int, max_chapters: int) -> FoundTag:
    """Returns what the tag at the start of a file of that size contains; other frames and chapters are skipped."""
    window = _Window(read, size_bytes)
    head = window.get(0, _HEADER_BYTES)
    if len(head) < _HEADER_BYTES or head[:3] != b"ID3" or head[3] not in (3, 4):
        return FoundTag({}, (), None)
    tag = _Tag(window, is_2_3=head[3] == 3)
    return tag.read(min(MAX_TAG_BYTES, size_bytes, _HEADER_BYTES + read_syncsafe(head[6:])), max_chapters)


class _Window:
    """The part of a file that is held."""

    def __init__(self, read: Read, size_bytes: int) -> None:
        self._read = read
        self._size_bytes = size_bytes
        self._start = 0
        self._data = b""

    def get(self, start: int, end: int) -> bytes:
        """Returns the bytes from `start` up to `end` (exclusive; less than `WINDOW_BYTES` behind), or up to the end."""
        end = min(end, self._size_bytes)
        if start < self._start or end > self._start + len(self._data):
            self._start, self._data = start, self._read(start, min(start + WINDOW_BYTES, self._size_bytes))
        return self._data[start - self._start : end - self._start]


class _Tag:
    def __init__(self, window: _Window, *, is_2_3: bool) -> None:
        self._window = window
        self._is_2_3 = is_2_3
        self._frames_left = MAX_FRAMES

    def read(self, end: int, max_chapters: int) -> FoundTag:
        texts: dict[str, str] = {}
        chapters: list[FoundChapter] = []
        cover: FoundCover | None = None
        for frame_id, start, stop in self._frames(_HEADER_BYTES, end):
            if frame_id == "APIC":
                cover = cover or self._cover(start, stop)
            elif frame_id == "CHAP":
                if len(chapters) < max_chapters:
                    chapters += self._chapter(start, stop)
            elif frame_id.startswith("T") and frame_id != "TXXX":
                texts.setdefault(frame_id, self._text(start, stop))
        return FoundTag(texts, tuple(chapters), cover)

    def _frames(self, start: int, end: int) -> Iterator[tuple[str, int, int]]:
        """Yields the name, the start and the end (exclusive) of the content of each frame that is whole."""
        while start + _HEADER_BYTES <= end and self._frames_left > 0:
            self._frames_left -= 1
            head = self._window.get(start, start + _HEADER_BYTES)
            name, size = head[:4], head[4:8]
            start += _HEADER_BYTES
            stop = start + (int.from_bytes(size, "big") if self._is_2_3 else read_syncsafe(size))
            if not name.isalnum() or stop > end:
                return
            yield name.decode("ascii"), start, stop
            start = stop

    def _text(self, start: int, stop: int) -> str:
        content = self._window.get(start, min(stop, start + _MAX_TEXT_BYTES))
        codec = _CODECS.get(content[0] if content else -1)
        return clean_text(content[1:].decode(codec, "replace")) if codec else ""

    def _chapter(self, start: int, stop: int) -> Iterator[FoundChapter]:
        content = self._window.get(start, min(stop, start + _MAX_NAME_BYTES + _CHAPTER_TIMES_BYTES))
        name, end_of_name, times = content.partition(b"\0")
        if not end_of_name or len(times) < _CHAPTER_TIMES_BYTES:
            return
        frames = self._frames(start + len(name) + 1 + _CHAPTER_TIMES_BYTES, stop)
        title = next((self._text(*place) for frame_id, *place in frames if frame_id == "TIT2"), None)
        yield FoundChapter(int.from_bytes(times[:4], "big") / 1000, title)

    def _cover(self, start: int, stop: int) -> FoundCover | None:
        content = self._window.get(start, min(stop, start + _MAX_TEXT_BYTES))
        media_type, _, rest = content[1:].partition(b"\0")
        _, end_of_description, picture = rest[1:].partition(b"\0")
        kind = media_type.decode("latin-1")
        if kind not in _PICTURES or not end_of_description:
            return None
        return FoundCover(kind, start + len(content) - len(picture), stop)
