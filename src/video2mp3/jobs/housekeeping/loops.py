"""Housekeeping: the relay, the reaper and the sweeper, each a loop in a separate thread (see `supervision`).

Every process runs it. It uses conditional statements only, so processes do not interfere.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import structlog
from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.jobs import batches, lifecycle, workers
from video2mp3.jobs.housekeeping import history, periodic_tasks, sweeper
from video2mp3.jobs.housekeeping.erasing import erase_deleted
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.outbox import claims
from video2mp3.queue import Queue
from video2mp3.storage import Storage
from video2mp3.storage.scratch import sweep_scratch
from video2mp3.supervision import Loop

log = structlog.get_logger()

RELAY_EVERY_S = 1.0
REAP_EVERY_S = 10.0
SWEEP_EVERY_S = 300.0
ORPHANS_EVERY_S = 900
"""One process at a time looks for orphans, because that lists the whole storage."""
HISTORY_EVERY_S = 250
"""One process at a time counts the rows of each account."""
MAX_USER_HISTORY = 10_000
_RELAY_STALL_S = 30.0
_REAPER_STALL_S = 60.0
# Listing a large storage takes long.
_SWEEPER_STALL_S = 7200.0
_STOP_S = 10.0
# More than clocks are corrected by at once.
_CLOCK_JUMP_S = 5.0
# Longer than any conversion: a killed process left older files.
_SCRATCH_AGE_S = 86_400.0


class Housekeeping:
    """Keeps jobs moving and the storage clean, until `stop`."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        storage: Storage,
        *,
        expire: Sequence[sweeper.Expire] = (),
        maintenance: Sequence[Callable[[Session], object]] = (),
        max_user_history: int = MAX_USER_HISTORY,
    ) -> None:
        """Prepares the threads.

        Args:
            database: The database.
            queue: The broker to which the relay publishes.
            storage: The storage in which the sweeper deletes.
            expire: Functions of a session and a limit that expire other rows than results (uploads).
            maintenance: Other steps of the sweeper, each in a separate transaction. Every process runs them, so they
                consist of conditional statements.
            max_user_history: Ended jobs that are kept for each user.
        """
        self._database = database
        self._queue = queue
        self._storage = storage
        self._expire = (lifecycle.expire, *expire)
        self._maintenance = maintenance
        self._bounds = history.bounds(max_user_history)
        self._ahead_s = time.time() - time.monotonic()
        self._no_reaping_until_s = 0.0
        announce_due = Relay(database, queue).announce_due
        self._relay = Loop("relay", announce_due, every_s=RELAY_EVERY_S, stall_after_s=_RELAY_STALL_S)
        self._reaper = Loop("reaper", self._reap, every_s=REAP_EVERY_S, stall_after_s=_REAPER_STALL_S)
        # In a separate thread: listing a large storage must not delay the relay.
        self._sweeper = Loop("sweeper", self._sweep, every_s=SWEEP_EVERY_S, stall_after_s=_SWEEPER_STALL_S)
        self._loops = (self._relay, self._reaper, self._sweeper)

    def start(self) -> None:
        """Starts the threads."""
        for loop in self._loops:
            loop.start()

    def wake(self) -> None:
        """Wakes the relay: call it after a commit that made something due. Returns immediately."""
        self._relay.wake()

    def stop(self) -> None:
        """Ends the threads after their current steps, within ten seconds."""
        for loop in self._loops:
            loop.stop()
        for loop in self._loops:
            loop.join(_STOP_S)

    def _reap(self) -> None:
        # A failure of one step must not prevent the others.
        with self._reaper.step():
            self._reap_leases()
        with self._reaper.step():
            self._end_batches()
        with self._reaper.step(), self._database.write() as session:
            workers.forget_dead(session)

    def _reap_leases(self) -> None:
        if self._slept():
            return
        with self._database.write() as session:
            jobs = lifecycle.reap(session)
        with self._database.write() as session:
            reaped = claims.reap(session)
        if jobs or reaped:
            log.info("leases_reaped", jobs=jobs, messages=reaped)
            self.wake()

    def _slept(self) -> bool:
        """Returns whether the machine slept a moment ago, or its clock was set forward.

        The leases of this process then look expired although its workers live; they renew them within seconds.
        """
        ahead_s = time.time() - time.monotonic()
        if ahead_s - self._ahead_s > _CLOCK_JUMP_S:
            log.info("clock_jumped", seconds=round(ahead_s - self._ahead_s))
            self._no_reaping_until_s = time.monotonic() + lifecycle.LEASE_S
        self._ahead_s = ahead_s
        return time.monotonic() < self._no_reaping_until_s

    def _end_batches(self) -> None:
        with self._database.write() as session:
            ended = batches.end(session)
        if ended:
            log.info("batches_ended", batches=ended)
            self.wake()

    def _sweep(self) -> None:
        for step in self._sweeps():
            with self._sweeper.step():
                step()

    def _sweeps(self) -> Iterator[Callable[[], object]]:
        for step in self._maintenance:
            yield partial(self._maintain, step)
        yield partial(erase_deleted, self._database, self._storage)
        for expire in self._expire:
            yield partial(sweeper.delete_expired, self._database, self._storage, expire)
        yield self._trim_history
        yield self._delete_orphans
        yield partial(sweep_scratch, self._storage.scratch_folder, _SCRATCH_AGE_S)

    def _maintain(self, step: Callable[[Session], object]) -> None:
        with self._database.write() as session:
            step(session)

    def _trim_history(self) -> None:
        with self._database.write() as session:
            is_acquired = periodic_tasks.try_acquire(session, "history", HISTORY_EVERY_S)
        if is_acquired:
            for bound in self._bounds:
                history.trim(self._database, self._storage, bound)

    def _delete_orphans(self) -> None:
        with self._database.write() as session:
            is_acquired = periodic_tasks.try_acquire(session, "orphans", ORPHANS_EVERY_S)
        if is_acquired:
            sweeper.delete_orphans(self._database, self._storage)
