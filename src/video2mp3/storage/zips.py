"""Streams uncompressed ZIPs of stored files, so that their size is known before the first byte.

`zipfile` writes them to a sink that cannot seek. So the checksum of a member follows its bytes, where it is known.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

_REGULAR_FILE = 0o100644 << 16
_EPOCH = datetime(1980, 1, 1, tzinfo=UTC)
"""A ZIP has no earlier times."""


@dataclass(frozen=True)
class Member:
    """A file in a ZIP."""

    name: str
    """Valid on every system; at most 65,535 bytes."""
    size_bytes: int
    modified_at_s: float
    """Seconds since 1970."""
    stream: Callable[[], Iterator[bytes]]
    """Yields exactly `size_bytes` bytes, or raises; blocking."""

    def info(self) -> zipfile.ZipInfo:
        """Returns its entry, which has no size yet."""
        moment = max(datetime.fromtimestamp(self.modified_at_s, UTC), _EPOCH)
        info = zipfile.ZipInfo(self.name, moment.timetuple()[:6])
        info.external_attr = _REGULAR_FILE
        return info


def zip_size_bytes(members: Sequence[Member]) -> int:
    """Returns the size of what `zip_stream` yields; reads nothing."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for member in members:
            info = member.info()
            with _opened(archive, info, member.size_bytes):
                sink.offset_bytes += member.size_bytes
            info.file_size = info.compress_size = member.size_bytes
    return sink.offset_bytes


def zip_stream(members: Sequence[Member]) -> Iterator[bytes]:
    """Yields a ZIP of these files; blocking. Raises what a member's stream raises."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for member in members:
            with _opened(archive, member.info(), member.size_bytes) as file:
                for piece in member.stream():
                    file.write(piece)
                    yield from sink.take()
    yield from sink.take()


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size_bytes: int) -> IO[bytes]:
    return archive.open(info, "w", force_zip64=size_bytes > zipfile.ZIP64_LIMIT)


class _Sink(io.RawIOBase):
    """Keeps what `zipfile` writes until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.offset_bytes = 0
        self._pieces: list[bytes] = []

    def tell(self) -> int:
        """Returns the offset in the ZIP."""
        return self.offset_bytes

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # zipfile writes bytes only
        """Keeps the bytes, without a copy."""
        self._pieces.append(data)
        self.offset_bytes += len(data)
        return len(data)

    def take(self) -> list[bytes]:
        """Returns what was written since the last time."""
        taken, self._pieces = self._pieces, []
        return taken
