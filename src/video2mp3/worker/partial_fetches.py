"""Remembers files whose fetches were preempted, so that the same worker resumes them."""

import threading
from dataclasses import dataclass

_MAX_KEPT = 1000


@dataclass(frozen=True)
class PartialFetch:
    """A partly received file."""

    upload_id: str
    received_bytes: int
    left_bytes: int
    read_bytes: int
    validator: str


class PartialFetches:
    """The partly received files of this process, by job id. Thread-safe."""

    def __init__(self) -> None:
        self._kept: dict[str, PartialFetch] = {}
        self._lock = threading.Lock()

    def keep(self, job_id: str, kept: PartialFetch) -> None:
        """Remembers one; drops the oldest if there are too many. Its upload then expires."""
        with self._lock:
            self._kept[job_id] = kept
            if len(self._kept) > _MAX_KEPT:
                del self._kept[next(iter(self._kept))]

    def take(self, job_id: str) -> PartialFetch | None:
        """Removes and returns a job's partial fetch; returns None if there is none."""
        with self._lock:
            return self._kept.pop(job_id, None)
