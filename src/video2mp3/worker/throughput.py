"""Measures the throughput of transfers: slow ones are preempted when other users wait."""

import time

WINDOW_S = 30.0
"""Length of the window over which a transfer counts as slow or not."""
SLOW_FACTOR = 16
"""A transfer is slow below this multiple of the minimum throughput."""


class ThroughputMeter:
    """Counts a transfer's bytes. The transfer's thread counts, the loop's thread calls `is_slow`."""

    def __init__(self, slow_bytes_per_s: float) -> None:
        """Starts the first window; a throughput below `slow_bytes_per_s` is slow."""
        self.began_s = self._window_began_s = time.monotonic()
        self._slow_bytes_per_s = slow_bytes_per_s
        self._moved_bytes = self._seen_bytes = 0
        self._is_slow = False

    def count(self, size_bytes: int) -> None:
        """Adds bytes that were received or sent."""
        self._moved_bytes += size_bytes

    def is_slow(self) -> bool:
        """Returns whether the last complete window was slow. Call this at least once per window."""
        took_s = time.monotonic() - self._window_began_s
        if took_s >= WINDOW_S:
            moved_bytes = self._moved_bytes
            self._is_slow = moved_bytes - self._seen_bytes < self._slow_bytes_per_s * took_s
            self._seen_bytes, self._window_began_s = moved_bytes, self._window_began_s + took_s
        return self._is_slow
