"""The audio of an MP4 as a smaller file: plain values, and how the sandboxed child sends them to its parent."""

import base64
import binascii
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from video2mp3.errors import EngineCrashed

MAX_TYPE_BYTES = 64 * 1024
MAX_INDEX_BYTES = 8 * 1024**2
"""Some hours of video have a smaller index; the head of the new file is in memory, in the child and in its parent."""
MAX_HEAD_BYTES = MAX_TYPE_BYTES + MAX_INDEX_BYTES + 16
MAX_RANGES = 2**18
_PIECE_BYTES = 96 * 1024
"""Of one message; as base64 it stays below the longest line that the parent reads."""
_RANGE = struct.Struct("<QQ")


@dataclass(frozen=True)
class Mp4Extract:
    """What to read of an MP4, and what to write."""

    head: bytes
    """The new file's beginning: all but the samples."""
    ranges: tuple[tuple[int, int], ...]
    """Offset and size in bytes of each piece of the old file; they follow the head in this order, which is their old
    one, and do not overlap."""

    @property
    def size_bytes(self) -> int:
        """Of the new file."""
        return len(self.head) + sum(size for _, size in self.ranges)


def messages(extract: Mp4Extract | None) -> Iterator[dict[str, Any]]:
    """Yields what the child says: the pieces, and at last whether there is an extract at all."""
    if extract is not None:
        for piece in _pieces(extract.head):
            yield {"extract_head": piece}
        for piece in _pieces(b"".join(_RANGE.pack(*pair) for pair in extract.ranges)):
            yield {"extract_ranges": piece}
    yield {"extract": extract is not None}


def _pieces(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), _PIECE_BYTES):
        yield base64.b64encode(data[start : start + _PIECE_BYTES]).decode()


@dataclass
class ReceivedExtract:
    """The parent's side: gathers what an untrusted child says, within limits."""

    size_bytes: int
    """Of the file that the ranges belong to."""
    _head: bytearray = field(default_factory=bytearray)
    _ranges: bytearray = field(default_factory=bytearray)

    def take(self, message: Mapping[str, Any]) -> None:
        """Takes one message. Raises EngineCrashed if it is not of the right form, or more than there may be."""
        _append(self._head, message.get("extract_head"), MAX_HEAD_BYTES)
        _append(self._ranges, message.get("extract_ranges"), MAX_RANGES * _RANGE.size)

    def finish(self) -> Mp4Extract:
        """Returns all of it.

        Raises:
            EngineCrashed: it is incomplete, or a range is empty, out of order or outside of the file.
        """
        if not self._head or not self._ranges or len(self._ranges) % _RANGE.size:
            raise EngineCrashed
        end = 0
        ranges = []
        for offset, size in _RANGE.iter_unpack(self._ranges):
            if offset < end or size == 0 or offset + size > self.size_bytes:
                raise EngineCrashed
            end = offset + size
            ranges.append((offset, size))
        return Mp4Extract(bytes(self._head), tuple(ranges))


def _append(received: bytearray, piece: object, most_bytes: int) -> None:
    if piece is None:
        return
    if not isinstance(piece, str):
        raise EngineCrashed
    try:
        received += base64.b64decode(piece, validate=True)
    except (binascii.Error, ValueError):
        raise EngineCrashed from None
    if len(received) > most_bytes:
        raise EngineCrashed
