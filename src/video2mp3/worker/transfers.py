"""Fetches of sources and deliveries of results, which wait for other servers: beside the slots, which compute."""

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
from video2mp3.worker.endings import Ending
from video2mp3.worker.fetching import FetchLimits, fetch
from video2mp3.worker.leases import Heartbeat, Lease
from video2mp3.worker.paces import SLOW_FACTOR, Pace
from video2mp3.worker.partials import Partials
from video2mp3.worker.sending import send
from video2mp3.worker.stages import stage

log = structlog.get_logger()

_EVERY_S = 1.0
_STALL_AFTER_S = 60.0
_REMEMBERED_USERS = 10_000
Work = Callable[[Lease, Callable[[int], None]], None]
"""Does one transfer and tells how many bytes it moves."""


@dataclass(frozen=True, eq=False)
class _Place:
    """A transfer that goes on."""

    lease: Lease
    pace: Pace


class TransferLoop:
    """Takes the transfers of one kind that are due, users in turn, and gives each a thread of its own."""

    def __init__(
        self,
        transfer: Transfer,
        database: Database,
        heartbeat: Heartbeat,
        worker_id: str,
        work: Work,
        *,
        limits: TransferLimits,
        least_bytes_per_s: float,
        drain_is_over: Callable[[], bool],
        wake: Callable[[], None],
    ) -> None:
        """Prepares the loop.

        Args:
            transfer: The kind.
            database: Where the jobs are.
            heartbeat: Renews the leases.
            worker_id: The process's.
            work: Does one transfer, and never raises for what other servers or an outage do.
            limits: How many at once.
            least_bytes_per_s: Of a server; one that is not much faster makes way for users who wait.
            drain_is_over: Tells that transfers have to be given back.
            wake: Tells the relay that there may be something to announce.
        """
        self._transfer: Transfer = transfer
        self._database = database
        self._heartbeat = heartbeat
        self._worker_id = worker_id
        self._work = work
        self._limits = limits
        self._slow_bytes_per_s = SLOW_FACTOR * least_bytes_per_s
        self._drain_is_over = drain_is_over
        self._wake = wake
        self._threads: dict[threading.Thread, _Place] = {}
        # The number of the last transfer of each user.
        self._turns: dict[str, int] = {}
        self._served = 0
        self._loop = Loop(f"{transfer}-transfers", self._begin_due, every_s=_EVERY_S, stall_after_s=_STALL_AFTER_S)

    def start(self) -> None:
        """Starts the loop's thread and returns."""
        self._loop.start()

    def stop(self) -> None:
        """Begins no more transfers; those that run go on."""
        self._loop.stop()

    def join(self, timeout_s: float | None = None) -> bool:
        """Waits for the end of all transfers after `stop`, at most `timeout_s` seconds; tells whether all ended."""
        end_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._loop.join(timeout_s)
        for thread in tuple(self._threads):
            thread.join(None if end_s is None else max(0.0, end_s - time.monotonic()))
        return not self._loop.is_alive() and not self._threads

    def _begin_due(self) -> None:
        while len(self._threads) < self._limits.of_all and (lease := self._take_next()):
            name = f"{self._transfer}-{lease.claim.job_id[-6:]}"
            place = _Place(lease, Pace(self._slow_bytes_per_s))
            thread = threading.Thread(target=self._run, args=(place,), name=name, daemon=True)
            self._threads[thread] = place
            try:
                thread.start()
            except BaseException:
                self._threads.pop(thread, None)
                raise
        self._make_room()

    def _make_room(self) -> None:
        """Ends slow transfers where all places are taken, and users who have none wait for one."""
        places = list(self._threads.values())
        slow = [place for place in places if place.pace.is_slow() and not place.lease.makes_way]
        if not slow or len(places) < self._limits.of_all:
            return
        with self._database.read() as session:
            newcomers = waiting_newcomers(session, self._transfer)
        of_users = Counter(place.lease.claim.user_id for place in places)
        # First of those who have the most, and the longest.
        slow.sort(key=lambda place: (-of_users[place.lease.claim.user_id], place.pace.began_s))
        for place in slow[: max(0, newcomers - sum(place.lease.makes_way for place in places))]:
            place.lease.make_way()

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
            # Another worker was quicker.
        if len(self._turns) >= _REMEMBERED_USERS:
            self._turns.clear()
        self._served += 1
        self._turns[user_id] = self._served
        return Lease(claim, claimed_at_s, self._drain_is_over)

    def _run(self, place: _Place) -> None:
        lease, claim = place.lease, place.lease.claim
        try:
            with (
                self._heartbeat.renewing(lease),
                metrics.TRANSFERS_BUSY.labels(self._transfer).track_inprogress(),
                bound_contextvars(job_id=claim.job_id, request_id=claim.request_id),
                tracing.span(self._transfer, kind="consumer", parent=claim.traceparent) as span,
            ):
                span.note("job.id", claim.job_id)
                self._work(lease, place.pace.count)
        finally:
            self._threads.pop(threading.current_thread(), None)
            self._loop.wake()
            # The job is queued, or its owner's notification is due.
            self._wake()


def run_fetch(
    database: Database,
    storage: Storage,
    limits: FetchLimits,
    partials: Partials,
    lease: Lease,
    on_moved: Callable[[int], None],
) -> None:
    """Fetches the file of a job into an upload, and queues the job. Never raises for what may go wrong.

    What has come of a file that makes way is kept in `partials`.
    """

    def is_kept() -> bool:
        return lease.stop_reason == "others"

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
    """Sends the result of a job, and finishes the job. Never raises for what may go wrong."""

    def work(claim: Claim) -> None:
        with stage("send"):
            send(database, storage, claim, limits, lease.should_stop, on_moved)
        finish = partial(lifecycle.sent, claim=claim, lifetime_s=result_retention_s)
        if Ending(database, lease, log).settle(finish):
            log.info("job_finished", fence=claim.fence)

    _run(database, lease, work)


def _run(database: Database, lease: Lease, work: Callable[[Claim], None]) -> None:
    ending = Ending(database, lease, log)
    try:
        work(lease.claim)
    except Canceled:
        ending.stopped()
    except Video2mp3Error as error:
        ending.failed(error)
    except Exception:
        log.exception("transfer_broken")
        ending.failed(EngineError())
