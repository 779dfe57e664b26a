"""The part of a file that a walker may read, and the number of reads that it may take."""

from collections.abc import Callable

ReadAt = Callable[[int, int], bytes]
"""Takes an offset and a size in bytes; returns that many bytes, fewer only at the end of the file."""


class Malformed(Exception):
    """The file is not of the form that its first bytes claim, or the walk would take too many steps."""


class Missing(Exception):
    """The walk needs bytes that are not there yet."""

    def __init__(self, needed_bytes: int) -> None:
        """`needed_bytes` from the start of the file have to be there before another walk makes sense."""
        super().__init__(needed_bytes)
        self.needed_bytes = needed_bytes


class Window:
    """The first bytes of a file. Every read counts as one step, so that no walk can continue for ever."""

    def __init__(self, read_at: ReadAt, known_bytes: int, size_bytes: int, max_steps: int) -> None:
        """Offers the first `known_bytes` of a file that has, or will have, `size_bytes`."""
        self.size_bytes = size_bytes
        self._read_at = read_at
        self._known_bytes = min(known_bytes, size_bytes)
        self._steps_left = max_steps

    def read(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns exactly the bytes there.

        Raises:
            Malformed: they are beyond the end of the file, or the walk has used up its steps.
            Missing: they have not come yet.
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
        """Returns the bytes there, fewer only at the end of the file. Raises as `read`."""
        return self.read(offset_bytes, max(0, min(size_bytes, self.size_bytes - offset_bytes)))
