"""One slot more, for users who hold none: nobody waits for all of another user's long conversions to end.

A conversion runs for as long as its file is, and is not interrupted. So a user with long files may hold all slots, and
another's short clip would wait for one of them to end. The spare slot takes it while all others are busy; the slots
share the cores anyway.
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
        self,
        slots: Sequence[Loop],
        take: Callable[[], Work | None],
        stopping: threading.Event,
        *,
        work_limit_s: float,
    ) -> None:
        """Prepares the loop.

        Args:
            slots: The others.
            take: Claims a job of a user who holds no slot and returns the work to do; None when there is none.
            stopping: Ends the loop when the work at hand is done.
            work_limit_s: The longest that the work may take; after that the loop counts as stalled.
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
