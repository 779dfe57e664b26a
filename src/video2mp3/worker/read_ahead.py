"""Reads ranges of a remote file with few requests."""

from collections.abc import Iterable, Iterator

from video2mp3.engine.mp4_extract import MAX_INDEX_BYTES
from video2mp3.errors import EngineCrashed
from video2mp3.outbound import RemoteFile

_AHEAD_BYTES = 64 * 1024
# An MP4 index, and the headers of 64 boxes.
_MAX_BYTES = MAX_INDEX_BYTES + 64 * _AHEAD_BYTES
# Per request. A gap between two ranges is read too, if that costs less than another request.
_MAX_REQUEST_BYTES = 4 * 1024**2
_GAP_BYTES = 64 * 1024


class ReadAheadBuffer:
    """A source that reads ahead, because the search for an index takes many small reads.

    The sandboxed child sends the reads, and a hostile file may control the child. So the total is limited.
    """

    def __init__(self, remote: RemoteFile) -> None:
        self.name = "remote"
        self.size_bytes = remote.size_bytes
        self._remote = remote
        self._start = 0
        self._data = b""

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns the bytes there; fewer only at the end of the file.

        Raises:
            EngineCrashed: when the child read more than an index can have.
            Unreachable, Canceled: as `RemoteFile.read`.
        """
        end = min(offset_bytes + size_bytes, self.size_bytes)
        if not self._start <= offset_bytes <= end <= self._start + len(self._data):
            if self._remote.read_bytes > _MAX_BYTES:
                raise EngineCrashed
            self._start, self._data = offset_bytes, self._remote.read(offset_bytes, max(size_bytes, _AHEAD_BYTES))
        return self._data[offset_bytes - self._start : end - self._start]


def coalesce_ranges(ranges: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yields groups of ranges, each to be read with one request that includes the gaps between them."""
    group: list[tuple[int, int]] = []
    for whole_offset, whole_size in ranges:
        for start in range(whole_offset, whole_offset + whole_size, _MAX_REQUEST_BYTES):
            size = min(_MAX_REQUEST_BYTES, whole_offset + whole_size - start)
            near = group and start - sum(group[-1]) <= _GAP_BYTES
            if group and (not near or start + size - group[0][0] > _MAX_REQUEST_BYTES):
                yield group
                group = []
            group.append((start, size))
    if group:
        yield group
