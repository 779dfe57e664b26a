"""How fast a transfer is: who is slow gives its place back when others wait for one."""

import time

WINDOW_S = 30.0
"""A transfer is slow, or not, for so many seconds."""
SLOW_FACTOR = 16
"""Slower than so many times the least throughput is slow."""


class Pace:
    """Counts a transfer's bytes: its own threads count, and one other asks."""

    def __init__(self, slow_bytes_per_s: float) -> None:
        """The time runs from now on; slower than `slow_bytes_per_s` is slow."""
        self.began_s = self._window_began_s = time.monotonic()
        self._slow_bytes_per_s = slow_bytes_per_s
        self._moved_bytes = self._seen_bytes = 0
        self._is_slow = False

    def count(self, size_bytes: int) -> None:
        """Adds bytes that came or went."""
        self._moved_bytes += size_bytes

    def is_slow(self) -> bool:
        """Tells whether the last whole window was slow; to be asked at least once in a window."""
        took_s = time.monotonic() - self._window_began_s
        if took_s >= WINDOW_S:
            moved_bytes = self._moved_bytes
            self._is_slow = moved_bytes - self._seen_bytes < self._slow_bytes_per_s * took_s
            self._seen_bytes, self._window_began_s = moved_bytes, self._window_began_s + took_s
        return self._is_slow
