"""Walks the chunks of RIFF files (WAV, AVI)."""

from collections.abc import Iterator
from typing import NamedTuple

from video2mp3.engine.containers.window import Malformed, ReadAt, Window

_MAX_STEPS = 1000
_FACT_BYTES = 4
UNKNOWN_SIZE = 0x7FFF0000
"""Larger sizes are placeholders of programs that did not know the size yet."""
_FIRST_CHUNK = 12
_HEADER_BYTES = 8


class Chunk(NamedTuple):
    """One chunk: the offset of its content in bytes, and its claimed size."""

    kind: bytes
    body: int
    size: int

    @property
    def end(self) -> int:
        """Offset of the next chunk: sizes are padded to even numbers."""
        return self.body + self.size + self.size % 2


def chunks(window: Window) -> Iterator[Chunk]:
    """Yields the chunks of the first RIFF form in a file. Raises like `Window.read`."""
    place = _FIRST_CHUNK
    while place < window.size_bytes:
        header = window.read(place, _HEADER_BYTES)
        chunk = Chunk(header[:4], place + _HEADER_BYTES, int.from_bytes(header[4:], "little"))
        yield chunk
        place = chunk.end


def fact_samples(read_at: ReadAt, size_bytes: int) -> int | None:
    """Returns the samples per channel that a WAV file declares in its `fact` chunk, or None.

    Source: Microsoft's "New Multimedia Data Types and Data Techniques" (1994), Fact Chunk.
    """
    window = Window(read_at, size_bytes, size_bytes, _MAX_STEPS)
    try:
        for chunk in chunks(window):
            if chunk.kind == b"fact" and chunk.size >= _FACT_BYTES:
                return int.from_bytes(window.read(chunk.body, _FACT_BYTES), "little") or None
            if chunk.kind == b"data":
                return None
    except Malformed:
        pass
    return None
