"""Reads responses from untrusted servers, with limits on heads, chunks and trailers."""

import http.client
import io

MAX_INTERIM_RESPONSES = 8
MAX_HEAD_BYTES = 64 * 1024
"""Of the status line and the headers, including all interim responses (RFC 9110, §15.2)."""
MAX_CHUNK_LINE_BYTES = 4096
MAX_TRAILER_BYTES = 8192
_FREE_CHUNKS = 1000
_LEAST_CHUNK_BYTES = 64
"""Average after the first thousand chunks: a chunk takes about as much time as a kilobyte."""


class TooManyInterimResponses(http.client.HTTPException):
    """The server sends too many interim responses, such as `100 Continue`."""


class TooLong(http.client.HTTPException):
    """The headers, a chunk's size line or the trailer are too long."""


class TooSmallChunks(http.client.HTTPException):
    """The body has too many small chunks."""


class BoundedReader(io.BufferedReader):
    """Reads lines up to a total number of bytes."""

    _line_bytes_left = 0

    def allow(self, size_bytes: int) -> None:
        """Sets the number of bytes that the following lines may have in total."""
        self._line_bytes_left = size_bytes

    def readline(self, size: int | None = -1, /) -> bytes:
        """Returns the next line. Raises TooLong if it exceeds the limit."""
        most = self._line_bytes_left + 1
        line = super().readline(most if size is None or size < 0 else min(size, most))
        self._line_bytes_left -= len(line)
        if self._line_bytes_left < 0:
            raise TooLong
        return line


class BoundedResponse(http.client.HTTPResponse):
    """An `http.client` response with limits. The socket's file must be a `BoundedReader`."""

    _interim_responses = 0
    _chunks = 0
    _chunks_bytes = 0

    def begin(self) -> None:
        """Reads the head. Raises HTTPException if it exceeds the limits or is invalid."""
        self._lines().allow(MAX_HEAD_BYTES)
        super().begin()

    def _lines(self) -> BoundedReader:
        assert isinstance(self.fp, BoundedReader)
        return self.fp

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the stubs
        if 100 <= status < 200 and status != http.client.SWITCHING_PROTOCOLS:
            self._interim_responses += 1
            if self._interim_responses > MAX_INTERIM_RESPONSES:
                raise TooManyInterimResponses
            status = int(http.client.CONTINUE)  # the only interim status that http.client skips
        return version, status, reason

    def _read_next_chunk_size(self) -> int:
        self._lines().allow(MAX_CHUNK_LINE_BYTES)
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        self._chunks += 1
        self._chunks_bytes += size
        if self._chunks_bytes < (self._chunks - _FREE_CHUNKS) * _LEAST_CHUNK_BYTES:
            raise TooSmallChunks
        return size

    def _read_and_discard_trailer(self) -> None:
        self._lines().allow(MAX_TRAILER_BYTES)
        super()._read_and_discard_trailer()  # type: ignore[misc]
