"""Walks the chunks of RIFF files (WAV, AVI)."""

from collections.abc import Iterator
from typing import NamedTuple

from video2mp3.engine.containers.window import Window

UNKNOWN_SIZE = 0x7FFF0000
"""From here on, a size was written by a program that did not know it yet."""
_FIRST_CHUNK = 12
_HEADER_BYTES = 8


class Chunk(NamedTuple):
    """One chunk: where its content begins, in bytes from the start of the file, and the size that it claims."""

    kind: bytes
    body: int
    size: int

    @property
    def end(self) -> int:
        """Where the next chunk begins: sizes are padded to even numbers."""
        return self.body + self.size + self.size % 2


def chunks(window: Window) -> Iterator[Chunk]:
    """Yields the chunks of the first form in a file. Raises as `Window.read`."""
    place = _FIRST_CHUNK
    while place < window.size_bytes:
        header = window.read(place, _HEADER_BYTES)
        chunk = Chunk(header[:4], place + _HEADER_BYTES, int.from_bytes(header[4:], "little"))
        yield chunk
        place = chunk.end
