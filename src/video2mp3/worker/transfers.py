"""Runs fetches and deliveries in separate threads: they wait for other servers, while slots compute."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from structlog.contextvars import bound_contextvars

from video2mp3.database.connection import Database
from video2mp3.errors import Canceled, EngineError, Video2mp3Error
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim, Transfer
from video2mp3.jobs.transfers import TransferLimits, next_transfer, waiting_newcomers
from video2mp3.storage import Storage
from video2mp3.supervision import Loop
from video2mp3.telemetry import metrics, tracing
from video2mp3.worker.fetching import FetchLimits, fetch
from video2mp3.worker.leases import Heartbeat, Lease
from video2mp3.worker.outcome import Outcome
from video2mp3.worker.partial_fetches import PartialFetches
from video2mp3.worker.sending import send
from video2mp3.worker.stages import stage
from video2mp3.worker.throughput import SLOW_FACTOR, ThroughputMeter

log = structlog.get_logger()

_EVERY_S = 1.0
_STALL_AFTER_S = 60.0
_REMEMBERED_USERS = 10_000
RunTransfer = Callable[[Lease, Callable[[int], None]], None]
"""Runs one transfer and reports the number of bytes that it moves."""


@dataclass(frozen=True, eq=False)
class _RunningTransfer:
    """A transfer that is in progress."""

    lease: Lease
    throughput: ThroughputMeter


class TransferLoop:
    """Starts the due transfers of one kind, users in turn, each in its own thread."""

    def __init__(  # noqa: PLR0913 - built in one place, from what the worker has
        self,
        transfer: Transfer,
        database: Database,
        heartbeat: Heartbeat,
        worker_id: str,
        run_transfer: RunTransfer,
        *,
        limits: TransferLimits,
        least_bytes_per_s: float,
        drain_is_over: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        """Prepares the loop.

        Args:
            transfer: The kind of transfer.
            database: Holds the jobs.
            heartbeat: Renews the leases.
            worker_id: The id of this process.
            run_transfer: Runs one transfer, and never raises for what other servers or an outage do.
            limits: Number of simultaneous transfers.
            least_bytes_per_s: Minimum throughput of a server; a slow transfer is preempted when users wait.
            drain_is_over: Returns True when the grace period of a drain is over.
            wake: Wakes the relay because there may be something to announce.
        """
        self._transfer: Transfer = transfer
        self._database = database
        self._heartbeat = heartbeat
        self._worker_id = worker_id
        self._run_transfer = run_transfer
        self._limits = limits
        self._slow_bytes_per_s = SLOW_FACTOR * least_bytes_per_s
        self._drain_is_over = drain_is_over
        self._wake = wake
        self._threads: dict[threading.Thread, _RunningTransfer] = {}
        # The sequence number of each user's last transfer.
        self._turns: dict[str, int] = {}
        self._served = 0
        self._loop = Loop(f"{transfer}-transfers", self._begin_due, every_s=_EVERY_S, stall_after_s=_STALL_AFTER_S)

    def start(self) -> None:
        """Starts the loop's thread and returns."""
        self._loop.start()

    def stop(self) -> None:
        """Starts no more transfers; running ones continue."""
        self._loop.stop()

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits for all transfers after `stop`, at most `timeout_s` seconds; returns whether all ended."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._loop.join(timeout_s)
        for thread in tuple(self._threads):
            thread.join(None if end_s is None else max(0.0, end_s - time.monotonic()))
        return not self._loop.is_alive() and not self._threads

    def _begin_due(self) -> None:
        while len(self._threads) < self._limits.of_all and (lease := self._take_next()):
            name = f"{self._transfer}-{lease.claim.job_id[-6:]}"
            transfer = _RunningTransfer(lease, ThroughputMeter(self._slow_bytes_per_s))
            thread = threading.Thread(target=self._run, args=(transfer,), name=name, daemon=True)
            self._threads[thread] = transfer
            try:
                thread.start()
            except BaseException:
                self._threads.pop(thread, None)
                raise
        self._preempt_slow_transfers()

    def _preempt_slow_transfers(self) -> None:
        """Preempts slow transfers if all places are taken and users without a transfer wait."""
        running = list(self._threads.values())
        slow = [transfer for transfer in running if transfer.throughput.is_slow() and not transfer.lease.is_preempted]
        if not slow or len(running) < self._limits.of_all:
            return
        with self._database.read() as session:
            newcomers = waiting_newcomers(session, self._transfer)
        of_users = Counter(transfer.lease.claim.user_id for transfer in running)
        # Users with the most transfers first, then the oldest transfers.
        slow.sort(key=lambda transfer: (-of_users[transfer.lease.claim.user_id], transfer.throughput.began_s))
        for transfer in slow[: max(0, newcomers - sum(transfer.lease.is_preempted for transfer in running))]:
            transfer.lease.preempt()

    def _take_next(self) -> Lease | None:
        claimed_at_s = time.monotonic()
        while True:
            with self._database.write() as session:
                found = next_transfer(session, self._transfer, self._worker_id, self._limits, self._turns)
                if found is None:
                    return None
                job_id, user_id = found
                claim = lifecycle.claim_transfer(session, job_id, self._transfer, self._worker_id)
            if claim is not None:
                break
            # Another worker claimed it first.
        if len(self._turns) >= _REMEMBERED_USERS:
            self._turns.clear()
        self._served += 1
        self._turns[user_id] = self._served
        return Lease(claim, claimed_at_s, self._drain_is_over)

    def _run(self, transfer: _RunningTransfer) -> None:
        lease, claim = transfer.lease, transfer.lease.claim
        try:
            with (
                self._heartbeat.renewing(lease),
                metrics.TRANSFERS_BUSY.labels(self._transfer).track_inprogress(),
                bound_contextvars(job_id=claim.job_id, request_id=claim.request_id),
                tracing.span(self._transfer, kind="consumer", parent=claim.traceparent) as span,
            ):
                span.set_attribute("job.id", claim.job_id)
                self._run_transfer(lease, transfer.throughput.count)
        finally:
            self._threads.pop(threading.current_thread(), None)
            self._loop.wake()
            # The relay may have to announce the job or the owner's notification.
            self._wake()


def run_fetch(
    database: Database,
    storage: Storage,
    limits: FetchLimits,
    partials: PartialFetches,
    lease: Lease,
    on_moved: Callable[[int], None],
) -> None:
    """Fetches the file of a job into an upload, and queues the job. Records errors instead of raising them.

    If the fetch is preempted, `partials` remembers the received bytes.
    """

    def is_kept() -> bool:
        return lease.stop_reason == "preempted"

    def work(claim: Claim) -> None:
        with stage("fetch"):
            fetch(database, storage, claim, limits, lease.should_stop, on_moved, partials, is_kept)

    _run(database, lease, work)


def run_send(
    database: Database,
    storage: Storage,
    limits: FetchLimits,
    result_retention_s: int,
    lease: Lease,
    on_moved: Callable[[int], None],
) -> None:
    """Delivers the result of a job, and finishes the job. Records errors instead of raising them."""

    def work(claim: Claim) -> None:
        with stage("send"):
            send(database, storage, claim, limits, lease.should_stop, on_moved)
        finish = partial(lifecycle.sent, claim=claim, retention_s=result_retention_s)
        if Outcome(database, lease, log).record(finish):
            log.info("job_finished", fence=claim.fence)

    _run(database, lease, work)


def _run(database: Database, lease: Lease, work: Callable[[Claim], None]) -> None:
    outcome = Outcome(database, lease, log)
    try:
        work(lease.claim)
    except Canceled:
        outcome.record_stop()
    except Video2mp3Error as error:
        outcome.record_failure(error)
    except Exception:
        log.exception("transfer_crashed")
        outcome.record_failure(EngineError())
