"""ZIPs of stored bytes, written as they are read and not compressed: their size is known before the first byte.

The format: PKWARE's APPNOTE.TXT 6.3. The CRC of a member stands behind it (§4.3.9), as it is known only then; ZIP64
records are written where numbers do not fit otherwise.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_LIMIT = 0xFFFFFFFF
_MAX_MEMBERS = 0xFFFF
_PLAIN_VERSION, _ZIP64_VERSION = 20, 45
_MADE_ON_UNIX = 3 << 8
_CRC_BEHIND, _NAMES_IN_UTF8 = 1 << 3, 1 << 11
_FLAGS = _CRC_BEHIND | _NAMES_IN_UTF8
_REGULAR_FILE = 0o100644 << 16


@dataclass(frozen=True)
class Member:
    """A file in a ZIP."""

    name: str
    """Harmless on every system; of at most 65,535 bytes."""
    size_bytes: int
    modified_at_s: float
    """Seconds since 1970."""
    stream: Callable[[], Iterator[bytes]]
    """Yields its bytes: exactly `size_bytes` of them, or raises an error; blocking."""


def zip_size_bytes(members: Sequence[Member]) -> int:
    """Returns the size of what `zip_stream` yields; reads nothing."""
    written = _Written()
    for member in members:
        written.begin(member)
        written.offset_bytes += member.size_bytes
        written.end(member, 0)
    return written.offset_bytes + len(written.directory())


def zip_stream(members: Sequence[Member]) -> Iterator[bytes]:
    """Yields a ZIP of these files; blocking. Raises what a member's stream raises."""
    written = _Written()
    for member in members:
        yield written.begin(member)
        crc = 0
        for piece in member.stream():
            crc = zlib.crc32(piece, crc)
            written.offset_bytes += len(piece)
            yield piece
        yield written.end(member, crc)
    yield written.directory()


class _Written:
    """What has been written so far, as the directory at the end has to tell it."""

    def __init__(self) -> None:
        self.offset_bytes = 0
        self._begun_at_bytes = 0
        self._entries: list[bytes] = []

    def begin(self, member: Member) -> bytes:
        """Returns what stands in front of a member."""
        self._begun_at_bytes = self.offset_bytes
        name, extra = member.name.encode(), b""
        version, sizes = _PLAIN_VERSION, (0, 0)
        if _is_large(member.size_bytes):
            # Says that the sizes behind the member have eight bytes.
            version, sizes, extra = _ZIP64_VERSION, (_LIMIT, _LIMIT), struct.pack("<HHQQ", 1, 16, 0, 0)
        head = (b"PK\3\4", version, _FLAGS, 0, *_time_of(member), 0, *sizes, len(name), len(extra))
        return self._count(struct.pack("<4s5H3L2H", *head) + name + extra)

    def end(self, member: Member, crc: int) -> bytes:
        """Returns what stands behind a member."""
        self._entries.append(self._entry(member, crc))
        sizes = "QQ" if _is_large(member.size_bytes) else "LL"
        return self._count(struct.pack(f"<4sL{sizes}", b"PK\7\10", crc, member.size_bytes, member.size_bytes))

    def _entry(self, member: Member, crc: int) -> bytes:
        name = member.name.encode()
        numbers = (member.size_bytes, member.size_bytes, self._begun_at_bytes)
        large = [number for number in numbers if _is_large(number)]
        extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        size, _, offset = map(_field, numbers)
        version = _ZIP64_VERSION if large else _PLAIN_VERSION
        head = (b"PK\1\2", _MADE_ON_UNIX | version, version, _FLAGS, 0, *_time_of(member), crc, size, size)
        rest = (len(name), len(extra), 0, 0, 0, _REGULAR_FILE, offset)
        return struct.pack("<4s4H2H3L5H2L", *head, *rest) + name + extra

    def directory(self) -> bytes:
        """Returns the end of the ZIP."""
        entries, start = b"".join(self._entries), self.offset_bytes
        count, end = len(self._entries), self.offset_bytes + len(entries)
        more = b""
        if count >= _MAX_MEMBERS or _is_large(start) or _is_large(len(entries)):
            versions = (_MADE_ON_UNIX | _ZIP64_VERSION, _ZIP64_VERSION)
            more = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, *versions, 0, 0, count, count, len(entries), start)
            more += struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
        counts = (min(count, _MAX_MEMBERS),) * 2
        sizes = (_field(len(entries)), _field(start))
        return entries + more + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *counts, *sizes, 0)

    def _count(self, data: bytes) -> bytes:
        self.offset_bytes += len(data)
        return data


def _is_large(number: int) -> bool:
    return number >= _LIMIT


def _field(number: int) -> int:
    """Returns what four bytes hold: the number, or that it is to be looked for in a ZIP64 record."""
    return _LIMIT if _is_large(number) else number


def _time_of(member: Member) -> tuple[int, int]:
    """Returns time and date as MS-DOS has them: in steps of two seconds, from 1980 on."""
    moment = max(datetime.fromtimestamp(member.modified_at_s, UTC), datetime(1980, 1, 1, tzinfo=UTC))
    time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    return time, (moment.year - 1980) << 9 | moment.month << 5 | moment.day
