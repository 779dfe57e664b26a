"""Reads only one track's samples from an MP4 or QuickTime file whose other tracks lie between them.

libavformat skips up to 64 KiB by reading them, and the kernel reads ahead of it. In a file with finely interleaved
tracks, that is the whole video. The places of the samples are in libavformat's own index, so no other parser has to
agree with it.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Protocol

ReadAt = Callable[[int, int], bytes]
Prefetch = Callable[[int, int], None]
"""Takes an offset and a size in bytes that are read soon."""

_SMALL_GAP_BYTES = 256
"""Gaps below this are read: that takes less time than another call."""
_AHEAD_BYTES = 512 * 1024
_MIN_SKIPPED_SHARE = 0.25
"""Share of the file in gaps from which on skipping them is worth it."""


class IndexEntry(Protocol):
    """Where a sample lies in the file."""

    pos: int
    size: int


class SampleReader:
    """Reads the samples, and returns zeros instead of what lies between them while libavformat skips that."""

    def __init__(
        self, read_at: ReadAt, starts: "array[int]", ends: "array[int]", prefetch: Prefetch | None = None
    ) -> None:
        self._read_at = read_at
        self._starts = starts
        self._ends = ends
        self._prefetch = prefetch
        self._prefetched = 0
        """Number of ranges that were announced to the kernel."""
        self._skips_to = -1
        """The position to which a read would be the continuation of a range or of a gap."""

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns up to `size_bytes`, at most to the end of the range or the gap."""
        place = bisect_right(self._starts, offset_bytes) - 1
        if place >= 0 and offset_bytes < self._ends[place]:
            self._announce(place)
            data = self._read_at(offset_bytes, min(size_bytes, self._ends[place] - offset_bytes))
        elif offset_bytes == self._skips_to and place + 1 < len(self._starts):
            data = bytes(min(size_bytes, self._starts[place + 1] - offset_bytes))
        else:  # not a sample: the index at the end of the file, for example
            return self._read_at(offset_bytes, size_bytes)
        self._skips_to = offset_bytes + len(data)
        return data

    def _announce(self, place: int) -> None:
        """Lets the kernel read the next ranges, in steps of half of what it reads ahead."""
        if self._prefetch is None or place < self._prefetched:
            return
        size_bytes = 0
        self._prefetched = place
        while self._prefetched < len(self._starts) and size_bytes < _AHEAD_BYTES:
            start, end = self._starts[self._prefetched], self._ends[self._prefetched]
            self._prefetch(start, end - start)
            size_bytes += end - start
            self._prefetched += 1


def sample_reader(
    read_at: ReadAt, size_bytes: int, samples: Iterable[IndexEntry], prefetch: Prefetch | None = None
) -> SampleReader | None:
    """Returns a reader, or None if the samples are not in ascending order or most of the file.

    Args:
        read_at: reads the file.
        size_bytes: its size.
        samples: libavformat's index of the only track that is read.
        prefetch: announces ranges to the kernel.
    """
    starts, ends, end, used_bytes = array("q"), array("q"), -_SMALL_GAP_BYTES, 0
    for sample in samples:
        pos, size = sample.pos, sample.size
        if pos < end or size < 0 or pos < 0:
            return None
        if pos - end < _SMALL_GAP_BYTES and starts:
            ends[-1] = pos + size
        else:
            starts.append(pos)
            ends.append(pos + size)
        used_bytes += size
        end = pos + size
    if size_bytes - used_bytes < _MIN_SKIPPED_SHARE * size_bytes:
        return None
    return SampleReader(read_at, starts, ends, prefetch)
