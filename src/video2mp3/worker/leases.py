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
"""New progress is written this soon, so that whoever watches sees it move."""
LOST_AFTER_S = 25.0
"""No heartbeat has succeeded for this long: the lease (30 s) may be over soon, so the work must end."""
_TICK_S = 0.5

StopReason = Literal["lost", "cancel", "drain", "others"]


class Lease:
    """One job that this process holds. Written by the heartbeat's thread, asked by the slot's.

    Its clock is this process's monotonic one, counted from before the statement that the database answered: so the
    lease never lasts longer here than there.
    """

    def __init__(self, claim: Claim, claimed_at_s: float, drain_is_over: Callable[[], bool]) -> None:
        self.claim = claim
        self.stop_reason: StopReason | None = None
        """Why the work was told to end."""
        self.makes_way = False
        """Its place is another's soon."""
        self._drain_is_over = drain_is_over
        self._answer: Literal["held", "cancel", "lost"] = "held"
        self._renewed_at_s = claimed_at_s
        self._progress = self._written = Progress(0.0, None)

    def note_progress(self, progress: Progress) -> None:
        """Takes the engine's progress, to be written with the next heartbeat."""
        self._progress = progress

    def make_way(self) -> None:
        """Ends the work for the sake of users who wait."""
        self.makes_way = True

    def should_stop(self) -> bool:
        """Tells whether the work has to end; from then on it always does."""
        self.stop_reason = self.stop_reason or self._reason_to_stop()
        return self.stop_reason is not None

    def _reason_to_stop(self) -> StopReason | None:
        if self._answer == "lost" or time.monotonic() - self._renewed_at_s > LOST_AFTER_S:
            return "lost"
        if self._answer == "cancel":
            return "cancel"
        if self.makes_way:
            return "others"
        return "drain" if self._drain_is_over() else None

    def is_due(self) -> bool:
        """Tells whether it is time for a heartbeat."""
        age_s = time.monotonic() - self._renewed_at_s
        has_news = self._progress.percent != self._written.percent
        return self._answer != "lost" and (age_s >= HEARTBEAT_S or (has_news and age_s >= PROGRESS_S))

    def renew(self, database: Database) -> None:
        """One heartbeat.

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
            database: Where the leases are.
            worker_id: New with each process.
            slots: How many jobs it converts at once; when it is drained: how many slots have not ended yet.
            on_drain_requested: Called with each heartbeat after an administrator asked for it.
        """
        self.draining = False
        """Written into the worker's row: it takes no more."""
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
            # Leases run out meanwhile.
            max_backoff_s=_TICK_S,
            on_end=self._leave,
        )

    def start(self) -> None:
        """Starts the thread."""
        self._loop.start()

    def stop(self) -> None:
        """Ends the thread and takes the worker's row away."""
        self._loop.stop()
        self._loop.join()

    @contextmanager
    def renewing(self, lease: Lease) -> Iterator[None]:
        """Renews the lease until the end of the block."""
        self._leases.add(lease)
        try:
            yield
        finally:
            self._leases.discard(lease)

    def drain(self) -> None:
        """Lets the row say at once that this worker takes no more."""
        self.draining = True
        self._row_written_s = float("-inf")

    def _beat(self) -> None:
        # A copy: slots come and go meanwhile.
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
