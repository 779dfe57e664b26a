"""Checksums of stored objects: computed when an object is written, verified at every read.

The format: one CRC-32 (ISO/IEC 13239, as in ZIP and PNG) for each block of 128 KiB, the last block being shorter, as
four bytes in network order, one after the other. The row of the object holds them. So a read verifies exactly the
blocks that it touches, and returns no byte of a block before the whole block is verified.
"""

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from video2mp3.errors import NotFound, StorageUnavailable, StoredDataDamaged
from video2mp3.storage import Storage
from video2mp3.telemetry import metrics

log = structlog.get_logger()

BLOCK_BYTES = 128 * 1024
"""The same size as the engine's reads, so that verification causes no additional reads."""
_CHECKSUM_BYTES = 4
_PIECE_BYTES = 2 * BLOCK_BYTES
# A disk or an object store may return wrong bytes once, and correct bytes at the next read.
_READS = 2
# Blocks per request when a whole object is read: 4 MiB.
_VERIFIED_BLOCKS = 32

Damage = Literal["missing", "size", "checksum"]
"""Kinds of damage to a stored object."""


class Checksums:
    """Computes checksums incrementally, from pieces of any size."""

    def __init__(self) -> None:
        self._whole_blocks = bytearray()
        self._crc = 0
        self._in_block_bytes = 0

    def update(self, data: bytes | memoryview) -> None:
        """Takes the next bytes."""
        rest = memoryview(data)
        while rest:
            piece = rest[: BLOCK_BYTES - self._in_block_bytes]
            rest = rest[len(piece) :]
            self._crc = zlib.crc32(piece, self._crc)
            self._in_block_bytes += len(piece)
            if self._in_block_bytes == BLOCK_BYTES:
                self._whole_blocks += self._crc.to_bytes(_CHECKSUM_BYTES)
                self._crc = self._in_block_bytes = 0

    def value(self) -> bytes:
        """Returns the checksums of the bytes so far."""
        last = self._crc.to_bytes(_CHECKSUM_BYTES) if self._in_block_bytes else b""
        return bytes(self._whole_blocks) + last


def checksums_of(data: bytes | memoryview) -> bytes:
    """Returns the checksums of a complete object."""
    checksums = Checksums()
    checksums.update(data)
    return checksums.value()


def checksums_of_file(path: Path) -> tuple[bytes, str]:
    """Returns the checksums of a file in the scratch folder, and the SHA-256 of all of it in hexadecimal.

    Raises StorageUnavailable when it cannot be read.
    """
    checksums, sha256 = Checksums(), hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                checksums.update(piece)
                sha256.update(piece)
    except OSError as error:
        raise StorageUnavailable(f"The scratch folder cannot be read: {error.strerror}.") from error
    return checksums.value(), sha256.hexdigest()


@dataclass(frozen=True)
class VerifiedObject:
    """A stored object with the checksums from its row. All reads are verified."""

    key: str
    size_bytes: int
    checksums: bytes

    def read(self, storage: Storage, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns up to `size_bytes` from `offset_bytes`; fewer only at the object's end.

        Reads and verifies the whole blocks that contain them.

        Raises:
            NotFound: when there is no such object.
            StoredDataDamaged: when the checksums do not match, also after a second read.
            StorageUnavailable: when the storage does not answer.
        """
        end_bytes = min(offset_bytes + size_bytes, self.size_bytes)
        if offset_bytes >= end_bytes:
            return b""
        first, after = offset_bytes // BLOCK_BYTES, -(-end_bytes // BLOCK_BYTES)
        start_bytes = first * BLOCK_BYTES
        data = self._read_blocks(storage, first, after)
        if data is None:
            metrics.STORED_DATA_DAMAGED.inc()
            log.error("stored_data_damaged", key=self.key, offset_bytes=start_bytes, end_bytes=end_bytes)
            raise StoredDataDamaged
        return data[offset_bytes - start_bytes : end_bytes - start_bytes]

    def stream(self, storage: Storage, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yields the bytes from `start` up to `end` (exclusive; None: all) in pieces of at most 256 KiB.

        Raises like `read`, before the first damaged byte.
        """
        end = self.size_bytes if end is None else min(end, self.size_bytes)
        while start < end:
            piece = self.read(storage, start, min(piece_size_bytes(start), end - start))
            start += len(piece)
            yield piece

    def find_damage(self, storage: Storage) -> Damage | None:
        """Reads the whole object; returns the kind of damage, or None.

        Raises StorageUnavailable when the storage does not answer.
        """
        try:
            if storage.size_bytes(self.key) != self.size_bytes:
                return "size"
            blocks = -(-self.size_bytes // BLOCK_BYTES)
            for first in range(0, blocks, _VERIFIED_BLOCKS):
                if self._read_blocks(storage, first, min(first + _VERIFIED_BLOCKS, blocks)) is None:
                    return "checksum"
        except NotFound:
            return "missing"
        return None

    def _read_blocks(self, storage: Storage, first: int, after: int) -> bytes | None:
        """Returns the blocks from `first` up to `after` (exclusive); None when they are damaged."""
        start_bytes = first * BLOCK_BYTES
        wanted_bytes = min(after * BLOCK_BYTES, self.size_bytes) - start_bytes
        expected = self.checksums[first * _CHECKSUM_BYTES : after * _CHECKSUM_BYTES]
        for _ in range(_READS):
            data = storage.read(self.key, start_bytes, wanted_bytes)
            if len(data) == wanted_bytes and checksums_of(data) == expected:
                return data
        return None


def piece_size_bytes(offset_bytes: int) -> int:
    """Returns the size of a read from there that ends at a block boundary, so that no block is read twice."""
    return _PIECE_BYTES - offset_bytes % BLOCK_BYTES
