"""One additional slot for users who hold none, so that they do not wait for another user's long conversions.

A conversion is not interrupted. So a user with long files may hold all slots, and another user's short clip would wait
until one of them ends. While all slots are busy, the spare slot converts that clip. The slots share the cores anyway.
"""

import threading
from collections.abc import Callable, Sequence

from video2mp3.jobs.consuming import Work
from video2mp3.supervision import Loop

_LOOK_EVERY_S = 0.05
_STALL_AFTER_S = 30.0


class SpareSlot(Loop):
    """Works on one job at a time while all slots are busy, until `stopping` is set."""

    def __init__(
        self, slots: Sequence[Loop], take: Callable[[], Work | None], stopping: threading.Event, *, work_limit_s: float
    ) -> None:
        """Prepares the loop.

        Args:
            slots: The ordinary slots.
            take: Claims a job of a user who holds no slot and returns the work to do, or None if there is none.
            stopping: Ends the loop after the present job.
            work_limit_s: Longest time for one job; after that, the loop counts as stalled.
        """
        super().__init__(
            "spare-slot", self._take_next, stall_after_s=_STALL_AFTER_S, every_s=_LOOK_EVERY_S, stopping=stopping
        )
        self._slots = slots
        self._take = take
        self._work_limit_s = work_limit_s

    def _take_next(self) -> None:
        if self._is_needed() and (work := self._take()):
            with self.busy(self._work_limit_s):
                work()

    def _is_needed(self) -> bool:
        return all(slot.is_busy for slot in self._slots)
