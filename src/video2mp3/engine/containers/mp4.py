"""Walks the boxes of MP4 and QuickTime files. Source: ISO/IEC 14496-12 §4.2."""

from collections.abc import Iterator
from typing import NamedTuple

from video2mp3.engine.containers.window import Malformed, Window

TOP_LEVEL_KINDS = (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""A file that begins with one of these boxes counts as MP4."""
MAX_HEADER_BYTES = 16
_MIN_HEADER_BYTES = 8


class Box(NamedTuple):
    """One box, with offsets in bytes; `end` is the claimed end."""

    kind: bytes
    start: int
    body: int
    end: int


def box_in(header: bytes | bytearray, start: int, limit: int) -> Box:
    """Returns the box whose first 16 bytes are `header`; a box of size 0 extends to `limit`.

    Raises:
        Malformed: the box is smaller than its header, or the header is truncated.
    """
    if len(header) < _MIN_HEADER_BYTES:
        raise Malformed
    size, header_size = int.from_bytes(header[:4], "big"), _MIN_HEADER_BYTES
    if size == 1:
        size, header_size = int.from_bytes(header[8:16], "big"), MAX_HEADER_BYTES
    elif size == 0:
        size = limit - start
    if size < header_size:
        raise Malformed
    return Box(bytes(header[4:8]), start, start + header_size, start + size)


def boxes(window: Window, start: int, end: int) -> Iterator[Box]:
    """Yields the boxes from `start` to `end`; the last one may claim more. Raises like `Window.read`."""
    while start < end:
        box = box_in(window.read_up_to(start, min(MAX_HEADER_BYTES, end - start)), start, end)
        yield box
        start = box.end


def children(window: Window, parent: Box) -> Iterator[Box]:
    """Yields the boxes in a box. Raises like `Window.read`, and Malformed if one exceeds its parent."""
    for box in boxes(window, parent.body, parent.end):
        if box.end > parent.end:
            raise Malformed
        yield box
