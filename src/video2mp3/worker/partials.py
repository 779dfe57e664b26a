"""What has come of files whose fetches made way for others: the same worker goes on from there the next time."""

import threading
from dataclasses import dataclass

_PARTIALS = 1000


@dataclass(frozen=True)
class Partial:
    """A file of which a part has come."""

    upload_id: str
    received_bytes: int
    left_bytes: int
    read_bytes: int
    validator: str


class Partials:
    """What has come of files that made way, in this process, by the id of the job."""

    def __init__(self) -> None:
        self._kept: dict[str, Partial] = {}
        self._lock = threading.Lock()

    def keep(self, job_id: str, kept: Partial) -> None:
        """Keeps one; forgets the oldest of too many, whose upload expires."""
        with self._lock:
            self._kept[job_id] = kept
            if len(self._kept) > _PARTIALS:
                del self._kept[next(iter(self._kept))]

    def take(self, job_id: str) -> Partial | None:
        """Returns a job's, which is the caller's then; None when there is none."""
        with self._lock:
            return self._kept.pop(job_id, None)
