"""The Source protocol, and the transport of its bytes to the child process.

The child inherits the descriptor of a local file. The parent serves any other source in ranges over a socket pair, so
that the child can read this one source and nothing else. A request is `<QI` (offset, size), the response `<I` (size)
followed by the bytes.
"""

import io
import os
import socket
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

REQUEST = struct.Struct("<QI")
ANSWER = struct.Struct("<I")
FAILED = 0xFFFFFFFF
"""Response when the source raised an error; the parent raises that error."""
MAX_RANGE_BYTES = 4 * 1024**2
BLOCK_BYTES = 128 * 1024
READ_AHEAD_BLOCKS = 8
CACHED_BLOCKS = 48


class Source(Protocol):
    """Random access to bytes. Thread-safe.

    If a source has `fileno()`, the same bytes can be read from that descriptor. If its `growing` is true, reads wait
    for bytes that are not available yet, so the engine reads it from start to end as far as possible.
    """

    @property
    def name(self) -> str:
        """A name for messages, and the default title. Untrusted."""

    @property
    def size_bytes(self) -> int:
        """The number of bytes there are."""

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns `size_bytes` from `offset_bytes`; fewer only at the end.

        May raise Unavailable or NotFound; the conversion raises the same error.
        """


class FileSource:
    """A local file, open until `close()` or the end of the with block."""

    def __init__(self, path: Path | str) -> None:
        self._file = Path(path).open("rb")  # noqa: SIM115 closed by close()
        self.name = Path(path).name
        self.size_bytes = os.fstat(self._file.fileno()).st_size

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns the bytes there."""
        return os.pread(self._file.fileno(), size_bytes, offset_bytes)

    def fileno(self) -> int:
        """Returns the file's descriptor."""
        return self._file.fileno()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> "FileSource":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class RangeServer:
    """The parent's side: serves ranges of a source to the child, in a separate thread."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ours, self.theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="source-ranges", daemon=True)
        self._waited_s = 0.0
        self._waiting_since: float | None = None
        self.error: BaseException | None = None
        """The error that the source raised, if any."""

    def start(self) -> None:
        """Starts serving. Call this once the child has inherited `theirs`, which is closed here."""
        self.theirs.close()
        self._thread.start()

    def waited_s(self) -> float:
        """Returns the time spent waiting for the source so far."""
        since = self._waiting_since
        return self._waited_s + (time.monotonic() - since if since is not None else 0.0)

    def close(self) -> None:
        """Ends the thread. If it is blocked in the source, it ends later, when the source returns."""
        self.theirs.close()
        if self._thread.is_alive():
            self._ours.shutdown(socket.SHUT_RDWR)
            self._thread.join(timeout=1.0)
        self._ours.close()

    def _serve(self) -> None:
        try:
            while request := receive_exactly(self._ours, REQUEST.size):
                offset, size = REQUEST.unpack(request)
                size = min(size, MAX_RANGE_BYTES, max(0, self._source.size_bytes - offset))
                data = self._read(offset, size) if size else b""
                self._ours.sendall(ANSWER.pack(FAILED) if data is None else ANSWER.pack(len(data)) + data)
        except OSError:
            pass  # the child has ended

    def _read(self, offset_bytes: int, size_bytes: int) -> bytes | None:
        self._waiting_since = time.monotonic()
        try:
            return self._source.read_at(offset_bytes, size_bytes)[:size_bytes]
        except Exception as error:
            self.error = error
            return None
        finally:
            self._waited_s += time.monotonic() - self._waiting_since
            self._waiting_since = None


class SourceFailed(OSError):
    """The source could not be read."""


class RangeReader:
    """The child's side: reads ranges through the socket.

    It caches blocks of 128 KiB, because libavformat makes many small reads, and reads ahead during sequential reads.
    """

    def __init__(self, connection: socket.socket, size_bytes: int) -> None:
        self._connection = connection
        self._size_bytes = size_bytes
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._ahead = 1
        self._expected_block = 0

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns up to `size_bytes`, at most to the end of the block; no bytes only at the end of the source.

        Raises:
            SourceFailed: the parent could not read the source.
        """
        if not 0 <= offset_bytes < self._size_bytes:
            return b""
        number, start = divmod(offset_bytes, BLOCK_BYTES)
        if number not in self._blocks:
            self._fetch(number)
        self._blocks.move_to_end(number)
        return self._blocks[number][start : start + size_bytes]

    def _fetch(self, number: int) -> None:
        straight_on = number == self._expected_block
        self._ahead = min(self._ahead * 2, READ_AHEAD_BLOCKS) if straight_on else 1
        data = self._request(number * BLOCK_BYTES, self._ahead * BLOCK_BYTES)
        for index in range(self._ahead):
            self._blocks[number + index] = data[index * BLOCK_BYTES : (index + 1) * BLOCK_BYTES]
        self._expected_block = number + self._ahead
        while len(self._blocks) > CACHED_BLOCKS:
            self._blocks.popitem(last=False)

    def read_range(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns exactly the requested bytes, fewer only at the end, in few requests and without caching.

        Raises:
            SourceFailed: the parent could not read the source.
        """
        data = bytearray()
        end_bytes = min(offset_bytes + size_bytes, self._size_bytes)
        while len(data) < end_bytes - offset_bytes:
            start = offset_bytes + len(data)
            piece = self._request(start, min(MAX_RANGE_BYTES, end_bytes - start))
            if not piece:
                break
            data += piece
        return bytes(data)

    def _request(self, offset_bytes: int, size_bytes: int) -> bytes:
        self._connection.sendall(REQUEST.pack(offset_bytes, size_bytes))
        (size,) = ANSWER.unpack(receive_exactly(self._connection, ANSWER.size) or ANSWER.pack(FAILED))
        if size == FAILED:
            raise SourceFailed("the source could not be read")
        return receive_exactly(self._connection, size)


class SourceFile(io.RawIOBase):
    """The file interface that PyAV needs, over any `read_at`."""

    name = "source"

    def __init__(
        self, read_at: Callable[[int, int], bytes], size_bytes: int, prefetch: Callable[[int, int], None] | None = None
    ) -> None:
        self._read_at = read_at
        self._size_bytes = size_bytes
        self.prefetch = prefetch
        """Announces a range that is read soon; None if reading in order is faster than skipping."""
        self.read_samples: Callable[[int, int], bytes] | None = None
        """If set, `read` uses this: it skips what is not needed."""
        self.replaced: Sequence[tuple[int, bytes]] = ()
        """Bytes that `read` returns instead of the file's, each with their offset."""
        self.sequential = False
        """True: the file is not seekable, because libavformat would otherwise read its end first."""
        self._position = 0
        self.failed = False
        """True after a failed read: errors of libavformat then say nothing about the file."""

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes, at most `size`; none at the end."""
        try:
            data = (self.read_samples or self._read_at)(self._position, self._size_bytes if size < 0 else size)
        except OSError:
            self.failed = True
            raise
        for offset_bytes, new in self.replaced:
            data = _replace(data, offset_bytes - self._position, new)
        self._position += len(data)
        return data

    def look_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns exactly the requested bytes, fewer only at the end, without moving the position."""
        data = b""
        while len(data) < size_bytes and (received := self._read_at(offset_bytes + len(data), size_bytes - len(data))):
            data += received
        return data

    def part(self, start: int, end: int, limit: Callable[[int], int] | None = None) -> "SourceFile":
        """Returns the bytes from `start` to `end` as a file.

        Args:
            start: in bytes.
            end: in bytes.
            limit: takes an end of what is read, and returns an earlier one where the part ends before it.
        """

        def read(offset_bytes: int, size_bytes: int) -> bytes:
            first = start + offset_bytes
            last = min(end, first + size_bytes)
            try:
                last = limit(last) if limit else last
                return self._read_at(first, last - first) if last > first else b""
            except OSError:
                self.failed = True
                raise

        return SourceFile(read, end - start)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position; a position outside the file reads as its end."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size_bytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """Returns the position."""
        return self._position

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns whether seeking is allowed."""
        return not self.sequential


def _replace(data: bytes, start: int, new: bytes) -> bytes:
    """Returns the bytes with `new` at `start`, as far as that is within them."""
    if not -len(new) < start < len(data):
        return data
    before = data[: max(start, 0)]
    inserted = new[max(-start, 0) : len(data) - start]
    return before + inserted + data[len(before) + len(inserted) :]


def receive_exactly(connection: socket.socket, size_bytes: int) -> bytes:
    """Returns exactly that many bytes, or none if the peer closed the socket."""
    data = bytearray()
    while len(data) < size_bytes:
        received = connection.recv(min(size_bytes - len(data), 1 << 20))
        if not received:
            return b""
        data += received
    return bytes(data)
