"""Limits the bytes and the number of reads of a container walker."""

from collections.abc import Callable

ReadAt = Callable[[int, int], bytes]
"""Takes an offset and a size in bytes; returns that many bytes, fewer only at the end of the file."""


class Malformed(Exception):
    """The file is malformed, or the walk takes too many steps."""


class Missing(Exception):
    """The walk needs bytes that are not available yet."""

    def __init__(self, needed_bytes: int) -> None:
        """Another walk needs `needed_bytes` from the start of the file."""
        super().__init__(needed_bytes)
        self.needed_bytes = needed_bytes


class Window:
    """The first bytes of a file. Every read counts as one step, so that every walk ends."""

    def __init__(self, read_at: ReadAt, known_bytes: int, size_bytes: int, max_steps: int) -> None:
        """Gives access to the first `known_bytes` of a file of `size_bytes`."""
        self.size_bytes = size_bytes
        self._read_at = read_at
        self._known_bytes = min(known_bytes, size_bytes)
        self._steps_left = max_steps

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns exactly the requested bytes.

        Raises:
            Malformed: the range is beyond the end of the file, or the walk has used up its steps.
            Missing: the bytes are not available yet.
        """
        self._steps_left -= 1
        end = offset_bytes + size_bytes
        if self._steps_left < 0 or end > self.size_bytes:
            raise Malformed
        if end > self._known_bytes:
            raise Missing(end)
        data = self._read_at(offset_bytes, size_bytes)
        if len(data) != size_bytes:
            raise Malformed
        return data

    def read_up_to(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns the requested bytes, fewer only at the end of the file. Raises like `read`."""
        return self.read(offset_bytes, max(0, min(size_bytes, self.size_bytes - offset_bytes)))
