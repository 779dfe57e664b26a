"""The leases of one worker process, renewed by one thread."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import structlog

from video2mp3.database.connection import Database
from video2mp3.engine import Progress
from video2mp3.jobs import lifecycle, workers
from video2mp3.jobs.lifecycle import Claim
from video2mp3.supervision import Loop

log = structlog.get_logger()

HEARTBEAT_S = 10.0
PROGRESS_S = 2.0
"""Interval for writing new progress, so that clients see it move."""
LOST_AFTER_S = 25.0
"""If no heartbeat succeeds for this long, the work must end: the lease (30 s) may expire soon."""
_TICK_S = 0.5

StopReason = Literal["lost", "cancel", "drain", "preempted"]


class Lease:
    """One job that this process holds. The heartbeat's thread writes it, the slot's thread reads it.

    It uses the process's monotonic clock, read before each statement is sent. So the lease never lasts longer in this
    process than in the database.
    """

    def __init__(self, claim: Claim, claimed_at_s: float, drain_is_over: Callable[[], bool]) -> None:
        self.claim = claim
        self.stop_reason: StopReason | None = None
        """Why the work must end."""
        self.is_preempted = False
        """True when a user who waits gets the place of this transfer."""
        self._drain_is_over = drain_is_over
        self._answer: Literal["held", "cancel", "lost"] = "held"
        self._renewed_at_s = claimed_at_s
        self._progress = self._written = Progress(0.0, None)

    def record_progress(self, progress: Progress) -> None:
        """Records the engine's progress; the next heartbeat writes it."""
        self._progress = progress

    def preempt(self) -> None:
        """Ends the work in favor of users who wait."""
        self.is_preempted = True

    def should_stop(self) -> bool:
        """Returns whether the work must end; once True, always True."""
        self.stop_reason = self.stop_reason or self._reason_to_stop()
        return self.stop_reason is not None

    def _reason_to_stop(self) -> StopReason | None:
        if self._answer == "lost" or time.monotonic() - self._renewed_at_s > LOST_AFTER_S:
            return "lost"
        if self._answer == "cancel":
            return "cancel"
        if self.is_preempted:
            return "preempted"
        return "drain" if self._drain_is_over() else None

    def is_due(self) -> bool:
        """Returns whether a heartbeat is due."""
        age_s = time.monotonic() - self._renewed_at_s
        has_news = self._progress.percent != self._written.percent
        return self._answer != "lost" and (age_s >= HEARTBEAT_S or (has_news and age_s >= PROGRESS_S))

    def renew(self, database: Database) -> None:
        """Sends one heartbeat.

        Raises:
            DatabaseUnavailable: when the database does not answer.
        """
        started_s, progress = time.monotonic(), self._progress
        with database.write() as session:
            answer = lifecycle.heartbeat(session, self.claim, percent=progress.percent, done_s=progress.done_s)
        self._answer, self._renewed_at_s, self._written = answer, started_s, progress


class Heartbeat:
    """The thread: renews the leases of all slots, and the worker's own row."""

    def __init__(
        self, database: Database, worker_id: str, slots: Callable[[], int], on_drain_requested: Callable[[], None]
    ) -> None:
        """Prepares the thread.

        Args:
            database: Holds the leases.
            worker_id: The id of this process.
            slots: Returns the number of slots; while draining, the number of slots that have not ended yet.
            on_drain_requested: Called with each heartbeat after an administrator requested a drain.
        """
        self.draining = False
        """True when the worker claims no more jobs; written to the worker's row."""
        self._database = database
        self._worker_id = worker_id
        self._slots = slots
        self._slots_written: int | None = None
        self._on_drain_requested = on_drain_requested
        self._leases: set[Lease] = set()
        self._row_written_s = float("-inf")
        self._loop = Loop(
            "heartbeat",
            self._beat,
            every_s=_TICK_S,
            stall_after_s=LOST_AFTER_S,
            # Leases expire during a back-off.
            max_backoff_s=_TICK_S,
            on_end=self._leave,
        )

    def start(self) -> None:
        """Starts the thread."""
        self._loop.start()

    def stop(self) -> None:
        """Ends the thread and deletes the worker's row."""
        self._loop.stop()
        self._loop.join()

    def held(self) -> int:
        """Returns the number of jobs that this process works on."""
        return len(self._leases)

    @contextmanager
    def renewing(self, lease: Lease) -> Iterator[None]:
        """Renews the lease until the end of the block."""
        self._leases.add(lease)
        try:
            yield
        finally:
            self._leases.discard(lease)

    def drain(self) -> None:
        """Writes to the row at once that this worker claims no more jobs."""
        self.draining = True
        self._row_written_s = float("-inf")

    def _beat(self) -> None:
        # A copy, because slots add and remove leases meanwhile.
        for lease in tuple(self._leases):
            with self._loop.step():
                if lease.is_due():
                    lease.renew(self._database)
        with self._loop.step():
            if time.monotonic() - self._row_written_s >= HEARTBEAT_S or self._slots() != self._slots_written:
                self._write_row()

    def _write_row(self) -> None:
        started_s, slots = time.monotonic(), self._slots()
        with self._database.write() as session:
            has_to_drain = workers.beat(
                session, self._worker_id, host=socket.gethostname(), slots=slots, draining=self.draining
            )
        if not slots and self._slots_written:
            log.info("worker_drained", worker_id=self._worker_id)
        self._row_written_s, self._slots_written = started_s, slots
        if has_to_drain and not self.draining:
            self._on_drain_requested()

    def _leave(self) -> None:
        with self._database.write() as session:
            workers.leave(session, self._worker_id)
