"""Reads only one track's samples from an MP4 or QuickTime file whose other tracks lie between them.

libavformat skips up to 64 KiB by reading them, and the kernel reads ahead of it. In a file with finely interleaved
tracks, that is the whole video. The places of the samples are in libavformat's own index, so no other parser has to
agree with it. The index is not copied: that of ten hours has some millions of entries.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

from video2mp3.engine.containers.window import ReadAt

Prefetch = Callable[[int, int], None]
"""Takes an offset and a size in bytes that are read soon."""

_SMALL_GAP_BYTES = 256
"""Gaps below this are read: that takes less time than another call."""
_AHEAD_RANGES = 256
"""Ranges that the kernel reads in advance: half a megabyte where tracks take turns at every picture."""
_MIN_SKIPPED_SHARE = 0.25
"""Share of the file in gaps from which on skipping them is worth it."""


class IndexEntry(Protocol):
    """Where a sample lies in the file."""

    @property
    def pos(self) -> int:
        """Its offset in bytes."""

    @property
    def size(self) -> int:
        """Its size in bytes."""


class Index(Protocol):
    """libavformat's index of one track."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> IndexEntry: ...


class SampleReader:
    """Reads the samples, and returns zeros instead of what lies between them while libavformat skips that."""

    def __init__(self, read_at: ReadAt, samples: Index, prefetch: Prefetch) -> None:
        """Takes samples in ascending order."""
        self._read_at = read_at
        self._samples = samples
        self._prefetch = prefetch
        self._skips_to = -1
        """The position to which a read would be the continuation of a range or of a gap."""
        self._passed = 0
        """The end of the last range that was left."""
        self._ranges = _ranges(samples, 0)
        self._ahead: deque[tuple[int, int]] = deque()
        self._announce()

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns up to `size_bytes`, at most to the end of the range or the gap."""
        if offset_bytes < self._passed:
            self._go_back_to(offset_bytes)
        while self._ahead and self._ahead[0][1] <= offset_bytes:
            self._passed = self._ahead.popleft()[1]
            self._announce()
        start, end = self._ahead[0] if self._ahead else (0, 0)
        if start <= offset_bytes < end:
            data = self._read_at(offset_bytes, min(size_bytes, end - offset_bytes))
        elif offset_bytes == self._skips_to and offset_bytes < start:
            data = bytes(min(size_bytes, start - offset_bytes))
        else:  # not a sample: the index at the end of the file, for example
            return self._read_at(offset_bytes, size_bytes)
        self._skips_to = offset_bytes + len(data)
        return data

    def _go_back_to(self, offset_bytes: int) -> None:
        place = bisect_right(self._samples, offset_bytes, key=lambda sample: sample.pos) - 1
        self._passed = self._samples[place].pos if place > 0 else 0
        self._ranges = _ranges(self._samples, max(0, place))
        self._ahead.clear()
        self._announce()

    def _announce(self) -> None:
        """Announces more ranges to the kernel once half of them are read."""
        if len(self._ahead) > _AHEAD_RANGES // 2:
            return
        for start, end in islice(self._ranges, _AHEAD_RANGES - len(self._ahead)):
            self._prefetch(start, end - start)
            self._ahead.append((start, end))


def sample_reader(read_at: ReadAt, size_bytes: int, samples: Index, prefetch: Prefetch) -> SampleReader | None:
    """Returns a reader, or None if the samples are not in ascending order or most of the file.

    Args:
        read_at: reads the file.
        size_bytes: its size.
        samples: libavformat's index of the only track that is read.
        prefetch: announces ranges to the kernel.
    """
    used_bytes = end = 0
    for place in range(len(samples)):
        sample = samples[place]
        if sample.pos < end or sample.size < 0:
            return None
        end = sample.pos + sample.size
        used_bytes += sample.size
    if size_bytes - used_bytes < _MIN_SKIPPED_SHARE * size_bytes:
        return None
    return SampleReader(read_at, samples, prefetch)


def _ranges(samples: Index, first: int) -> Iterator[tuple[int, int]]:
    """Yields the start and the end of each range of samples that follow each other, from sample `first` on."""
    start = end = -1
    for place in range(first, len(samples)):
        sample = samples[place]
        if start >= 0 and sample.pos - end >= _SMALL_GAP_BYTES:
            yield start, end
            start = sample.pos
        elif start < 0:
            start = sample.pos
        end = sample.pos + sample.size
    if start >= 0:
        yield start, end
