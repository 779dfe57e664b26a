"""The worker: one thread with a queue consumer for each slot."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from video2mp3.database.connection import Database
from video2mp3.database.tables import new_id
from video2mp3.engine import Limits
from video2mp3.jobs.consuming import ConsumerThread, Work
from video2mp3.jobs.lifecycle import Claim, Transfer
from video2mp3.jobs.taking import take_for_newcomer, take_next
from video2mp3.jobs.transfers import TransferLimits
from video2mp3.queue import VIDEO_QUEUE, Queue
from video2mp3.storage import Storage
from video2mp3.telemetry import metrics, tracing
from video2mp3.worker.fetching import FetchLimits
from video2mp3.worker.job_runner import JobRunner
from video2mp3.worker.leases import Heartbeat, Lease
from video2mp3.worker.partial_fetches import PartialFetches
from video2mp3.worker.spare_slot import SpareSlot
from video2mp3.worker.stages import stage
from video2mp3.worker.transfers import RunTransfer, TransferLoop, run_fetch, run_send

log = structlog.get_logger()

_STORE_LIMIT_S = 3600.0
"""Upper limit for storing the largest result."""


@dataclass(frozen=True)
class WorkerConfig:
    """How a worker works."""

    slots: int
    """Number of simultaneous conversions."""
    spare_slot: bool = True
    """Whether to run the spare slot for users who hold no slot."""
    limits: Limits = field(default_factory=Limits)
    """Limits for each conversion."""
    fetch_limits: FetchLimits = field(default_factory=FetchLimits)
    """Limits for files that are fetched from URLs or delivered to them."""
    transfers: TransferLimits = field(default_factory=TransferLimits)
    """Number of simultaneous transfers, besides the conversions."""
    drain_grace_s: float = 25
    """Time to finish running conversions after `drain`; then they are requeued."""
    result_retention_s: int = 3600
    """Time until a result is deleted."""


class WorkerLoop:
    """Claims and converts jobs until `drain`."""

    def __init__(
        self, database: Database, queue: Queue, storage: Storage, config: WorkerConfig, wake: Callable[[], None]
    ) -> None:
        """Prepares the slots.

        Args:
            database: Holds the jobs.
            queue: Announces jobs.
            storage: Holds the uploads and results.
            config: Slots and limits.
            wake: Wakes the relay because there is room for more, or something to announce.
        """
        self.worker_id = new_id()
        """Unique for each process."""
        self._database = database
        self._job_runner = partial(
            JobRunner,
            database,
            storage,
            limits=config.limits,
            min_free_disk_bytes=config.fetch_limits.min_free_disk_bytes,
            least_bytes_per_s=config.fetch_limits.least_bytes_per_s,
            result_retention_s=config.result_retention_s,
        )
        self._drain_grace_s = config.drain_grace_s
        self._wake = wake
        self._draining = threading.Event()
        self._drain_over_s = float("inf")
        self._heartbeat = Heartbeat(database, self.worker_id, self._slots_left, self.drain_without_deadline)
        work_limit_s = config.limits.wall_clock_s + _STORE_LIMIT_S
        self._slots = [
            ConsumerThread(f"slot-{number}", queue, VIDEO_QUEUE, self._claim, self._draining, work_limit_s=work_limit_s)
            for number in range(1, config.slots + 1)
        ]
        self._spare = SpareSlot(self._slots, self._claim_for_newcomer, self._draining, work_limit_s=work_limit_s)
        self._threads = [*self._slots, self._spare] if config.spare_slot else self._slots

        parts = (database, storage, config.fetch_limits)
        works: dict[Transfer, RunTransfer] = {
            "fetch": partial(run_fetch, *parts, PartialFetches()),
            "send": partial(run_send, *parts, config.result_retention_s),
        }
        self._transfers = [
            TransferLoop(
                transfer,
                database,
                self._heartbeat,
                self.worker_id,
                work,
                limits=config.transfers,
                least_bytes_per_s=config.fetch_limits.least_bytes_per_s,
                drain_is_over=self._drain_is_over,
                wake=wake,
            )
            for transfer, work in works.items()
        ]

    def start(self) -> None:
        """Starts all threads and returns."""
        metrics.SLOTS.set_function(self._slots_left)
        self._heartbeat.start()
        for thread in self._threads:
            thread.start()
        for transfers in self._transfers:
            transfers.start()
        log.info("worker_started", worker_id=self.worker_id, slots=len(self._slots))

    def running(self) -> int:
        """Returns the number of jobs that it works on."""
        return self._heartbeat.held()

    def drain(self) -> None:
        """Claims no more jobs. Running conversions may finish within the grace period, then they are requeued.

        Only the first call has an effect.
        """
        if self._drain_over_s < float("inf"):
            return
        self._drain_over_s = time.monotonic() + self._drain_grace_s
        self._stop_claiming()
        log.info("worker_draining", worker_id=self.worker_id, grace_s=self._drain_grace_s)

    def drain_without_deadline(self) -> None:
        """Claims no more jobs and finishes all running ones. Administrators request this."""
        self._stop_claiming()
        log.info("worker_draining", worker_id=self.worker_id, grace_s=None)

    def _stop_claiming(self) -> None:
        self._draining.set()
        for transfers in self._transfers:
            transfers.stop()
        self._heartbeat.drain()

    def _drain_is_over(self) -> bool:
        return time.monotonic() > self._drain_over_s

    def _slots_left(self) -> int:
        if not self._draining.is_set():
            return len(self._slots)
        return sum(slot.is_alive() for slot in self._slots)

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits for the end after `drain`, at most `timeout_s` seconds; returns False if something still runs.

        The heartbeat renews the leases until the last conversion has ended.
        """
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(None if deadline_s is None else max(0.0, deadline_s - time.monotonic()))
            if thread.is_alive():
                return False
        for transfers in self._transfers:
            if not transfers.join(None if deadline_s is None else max(0.0, deadline_s - time.monotonic())):
                return False
        self._heartbeat.stop()
        log.info("worker_ended", worker_id=self.worker_id)
        return True

    def _claim(self, job_id: str, traceparent: str | None) -> Work | None:
        claimed_at_s, taken_ns = time.monotonic(), time.time_ns()
        claim = take_next(self._database, job_id, self.worker_id)
        if claim is None:
            return None
        if claim.job_id != job_id:
            traceparent = None  # the message announced another job
        return self._begin(claim, claimed_at_s, taken_ns, traceparent)

    def _claim_for_newcomer(self) -> Work | None:
        claimed_at_s, taken_ns = time.monotonic(), time.time_ns()
        claim = take_for_newcomer(self._database, self.worker_id)
        return None if claim is None else self._begin(claim, claimed_at_s, taken_ns, None)

    def _begin(self, claim: Claim, claimed_at_s: float, taken_ns: int, traceparent: str | None) -> Work:
        lease = Lease(claim, claimed_at_s, self._drain_is_over)
        return partial(self._work, lease, tracing.nearest(traceparent, claim.traceparent), taken_ns)

    def _work(self, lease: Lease, traceparent: str | None, taken_ns: int) -> None:
        # The relay's window has room now.
        self._wake()
        claim = lease.claim
        with (
            # Only now: an error between claim and work must not leave a lease that is renewed forever.
            self._heartbeat.renewing(lease),
            metrics.SLOTS_BUSY.track_inprogress(),
            bound_contextvars(job_id=claim.job_id, request_id=claim.request_id),
            tracing.span(f"process {VIDEO_QUEUE}", kind="consumer", parent=traceparent, started_ns=taken_ns) as span,
        ):
            span.set_attribute("job.id", claim.job_id)
            with stage("take", started_ns=taken_ns):
                log.info("job_claimed", job_id=claim.job_id, fence=claim.fence, worker_id=self.worker_id)
            try:
                self._job_runner(lease).run()
            finally:
                # The owner's notification is due.
                self._wake()
