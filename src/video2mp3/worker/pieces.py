"""Reading pieces of a file elsewhere with few requests."""

from collections.abc import Iterable, Iterator

from video2mp3.engine.mp4_extract import MAX_INDEX_BYTES
from video2mp3.errors import EngineCrashed
from video2mp3.outbound import RemoteFile

_AHEAD_BYTES = 64 * 1024
# An index, and the headers of 64 boxes.
_MOST_BYTES = MAX_INDEX_BYTES + 64 * _AHEAD_BYTES
# Of one request; what lies between two pieces is read where it costs less than a request does.
_MOST_AT_ONCE_BYTES = 4 * 1024**2
_GAP_BYTES = 64 * 1024


class Ahead:
    """A source that reads a little more than is asked for: an index is looked for in small steps.

    Who asks is the sandboxed child, which the file may have taken over: it gets so many bytes in all, and no more.
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
            EngineCrashed: when more was asked for than an index can have.
            Unreachable, Canceled: as `RemoteFile.read`.
        """
        end = min(offset_bytes + size_bytes, self.size_bytes)
        if not self._start <= offset_bytes <= end <= self._start + len(self._data):
            if self._remote.read_bytes > _MOST_BYTES:
                raise EngineCrashed
            self._start, self._data = offset_bytes, self._remote.read(offset_bytes, max(size_bytes, _AHEAD_BYTES))
        return self._data[offset_bytes - self._start : end - self._start]


def grouped(ranges: Iterable[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yields pieces of ranges that are read by one request, with the little that lies between them."""
    group: list[tuple[int, int]] = []
    for whole_offset, whole_size in ranges:
        for start in range(whole_offset, whole_offset + whole_size, _MOST_AT_ONCE_BYTES):
            size = min(_MOST_AT_ONCE_BYTES, whole_offset + whole_size - start)
            near = group and start - sum(group[-1]) <= _GAP_BYTES
            if group and (not near or start + size - group[0][0] > _MOST_AT_ONCE_BYTES):
                yield group
                group = []
            group.append((start, size))
    if group:
        yield group
