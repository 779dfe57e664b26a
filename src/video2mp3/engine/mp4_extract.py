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
"""Enough for several hours of video. Both the child and its parent hold the new file's head in memory."""
MAX_HEAD_BYTES = MAX_TYPE_BYTES + MAX_INDEX_BYTES + 16
MAX_RANGES = 2**18
_PIECE_BYTES = 96 * 1024
"""Bytes per message; in base64 it stays below the parent's line limit."""
_RANGE = struct.Struct("<QQ")


@dataclass(frozen=True)
class Mp4Extract:
    """A plan for copying the audio of an MP4 into a smaller file."""

    head: bytes
    """The beginning of the new file: everything except the samples."""
    ranges: tuple[tuple[int, int], ...]
    """Offset and size in bytes of each range of the old file, in ascending order without overlap. The ranges follow
    the head in the new file."""

    @property
    def size_bytes(self) -> int:
        """Size of the new file."""
        return len(self.head) + sum(size for _, size in self.ranges)


def messages(extract: Mp4Extract | None) -> Iterator[dict[str, Any]]:
    """Yields the child's messages: the pieces, then whether there is an extract."""
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
    """The parent's side: collects the messages of the untrusted child, within limits."""

    size_bytes: int
    """Size of the file that the ranges refer to."""
    _head: bytearray = field(default_factory=bytearray)
    _ranges: bytearray = field(default_factory=bytearray)

    def take(self, message: Mapping[str, Any]) -> None:
        """Takes one message. Raises EngineCrashed if it is malformed, or if there are too many."""
        _append(self._head, message.get("extract_head"), MAX_HEAD_BYTES)
        _append(self._ranges, message.get("extract_ranges"), MAX_RANGES * _RANGE.size)

    def finish(self) -> Mp4Extract:
        """Returns the extract.

        Raises:
            EngineCrashed: the extract is incomplete, or a range is empty, out of order or outside the file.
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
