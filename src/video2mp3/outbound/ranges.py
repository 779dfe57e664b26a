"""Reads ranges of one remote file over a reused connection."""

import re
import threading
from typing import Self

from video2mp3.errors import Unreachable
from video2mp3.outbound.connection import PinnedConnection
from video2mp3.outbound.exchange import OWN_HEADERS, ExchangeContext, unreachable
from video2mp3.outbound.urls import Target

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_TRIES = 3


class RemoteFile:
    """A file on a server that supports ranges; use it in a with block. Thread-safe; reads are serialized."""

    def __init__(self, target: Target, size_bytes: int, validator: str, context: ExchangeContext) -> None:
        """Asks the guard; connects at the first read.

        Args:
            target: The URL; redirects are not followed.
            size_bytes: Size of the file, from an earlier response.
            validator: ETag or date of that response: the file must not change.
            context: Its timeout is the total time from now on.

        Raises:
            UrlRejected, Unreachable: as `get`.
        """
        self.size_bytes = size_bytes
        self.read_bytes = 0
        """Total number of bytes read."""
        self._lock = threading.Lock()
        self._target = target
        self._validator = validator
        self._connection = PinnedConnection(target, context.guard.addresses(target), context.clock())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.hang_up()

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns the bytes there; fewer only at the end of the file.

        Raises:
            Unreachable: when the server does not send the range, for example because the file changed.
            Canceled: when the work must stop.
        """
        end = min(offset_bytes + size_bytes, self.size_bytes)
        if offset_bytes >= end:
            return b""
        with self._lock:
            for tries_left in range(_TRIES - 1, -1, -1):
                try:
                    return self._read(offset_bytes, end)
                except Unreachable:
                    self._connection.close()
                    if not tries_left:
                        raise
        raise AssertionError

    def _read(self, start: int, end: int) -> bytes:
        wanted = {"Range": f"bytes={start}-{end - 1}", "If-Range": self._validator}
        with unreachable(self._target):
            headers = {**OWN_HEADERS, "Host": self._target.netloc, **wanted}
            self._connection.request("GET", self._target.path, headers=headers)
            response = self._connection.getresponse()
            content_range = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            expected = (str(start), str(end - 1), str(self.size_bytes))
            if response.status != 206 or content_range is None or content_range.groups() != expected:
                raise Unreachable(f"{self._target.host} does not send a range of the same file.")
            data = response.read(end - start)
            response.close()
        if len(data) != end - start:
            raise Unreachable(f"{self._target.host} broke off.")
        self.read_bytes += len(data)
        return data
