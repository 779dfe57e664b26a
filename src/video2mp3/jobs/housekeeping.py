"""Housekeeping: the relay, the reaper and the sweeper, each in a thread that survives every outage.

Every process runs it; all that it does is made of conditional statements, so they do not disturb each other.
"""

import threading
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.errors import Unavailable
from video2mp3.jobs import batches, lifecycle, notifications, routines, sweeper, workers
from video2mp3.jobs.erasing import erase_deleted
from video2mp3.jobs.relay import Relay
from video2mp3.queue import Queue
from video2mp3.storage import Storage
from video2mp3.storage.scratch import sweep_scratch
from video2mp3.telemetry import metrics

log = structlog.get_logger()

RELAY_EVERY_S = 1.0
REAP_EVERY_S = 10.0
SWEEP_EVERY_S = 300.0
ORPHANS_EVERY_S = 900
"""One process of all looks for orphans: that lists the whole storage."""
_FIRST_BACKOFF_S = 1.0
_MAX_BACKOFF_S = 5.0
_STOP_S = 10.0
# Longer than any conversion: a killed process has left what is older.
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
        tend: Sequence[Callable[[Session], object]] = (),
    ) -> None:
        """Prepares the threads.

        Args:
            database: The rows that are the truth.
            queue: Where due jobs and notifications are announced.
            storage: Where the sweeper deletes.
            expire: What expires besides results (uploads), as functions of a session and a limit.
            tend: What else is done every five minutes, each in a transaction of its own and by all processes: so each
                is made of conditional statements.
        """
        self._database = database
        self._queue = queue
        self._storage = storage
        self._expire = (lifecycle.expire, *expire)
        self._tend = tend
        self._relay = _Periodic("relay", Relay(database, queue).announce_due, RELAY_EVERY_S)
        self._routines = (
            self._relay,
            _Periodic("reaper", self._reap, REAP_EVERY_S),
            # A thread of its own: listing a large storage must not hold up the relay.
            _Periodic("sweeper", self._sweep, SWEEP_EVERY_S),
        )

    def start(self) -> None:
        """Starts the threads."""
        for routine in self._routines:
            routine.start()

    def nudge(self) -> None:
        """Lets the relay look at once: call it after a commit that made something due. Returns immediately."""
        self._relay.nudge()

    def stop(self) -> None:
        """Ends the threads; what they were at is finished first, within ten seconds."""
        for routine in self._routines:
            routine.stop()
        for routine in self._routines:
            routine.join(_STOP_S)

    def _reap(self) -> None:
        with self._database.write() as session:
            jobs = lifecycle.reap(session)
        with self._database.write() as session:
            mails = notifications.reap(session)
            ended = batches.end(session)
            workers.forget_dead(session)
        if jobs or mails:
            log.info("leases_reaped", jobs=jobs, notifications=mails)
            self.nudge()
        if ended:
            log.info("batches_ended", batches=ended)
            self.nudge()

    def _sweep(self) -> None:
        for tend in self._tend:
            with self._database.write() as session:
                tend(session)
        erase_deleted(self._database, self._storage)
        for expire in self._expire:
            sweeper.delete_expired(self._database, self._storage, expire)
        with self._database.write() as session:
            is_my_turn = routines.take_turn(session, "orphans", ORPHANS_EVERY_S)
        if is_my_turn:
            sweeper.delete_orphans(self._database, self._storage)
        sweep_scratch(self._storage.scratch_folder, _SCRATCH_AGE_S)


class _Periodic(threading.Thread):
    """Calls a function again and again: after each pause, or when nudged; later after an error."""

    def __init__(self, name: str, function: Callable[[], object], every_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self._function = function
        self._every_s = every_s
        self._nudged = threading.Event()
        self._stopped = threading.Event()
        self._backoff_s = 0.0
        self._failures = metrics.HOUSEKEEPING_FAILURES.labels(name)

    def nudge(self) -> None:
        self._nudged.set()

    def stop(self) -> None:
        self._stopped.set()
        self._nudged.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            # Cleared before the call: a nudge during it leads to another one.
            self._nudged.clear()
            self._call()
            if self._backoff_s:
                # Nudges wait: they would only hammer at what is broken.
                self._stopped.wait(self._backoff_s)
            elif not self._stopped.is_set():
                self._nudged.wait(self._every_s)

    def _call(self) -> None:
        try:
            self._function()
        except Exception as error:
            self._note_failure(error)
        else:
            if self._backoff_s:
                log.info("housekeeping_recovered", routine=self.name)
            self._backoff_s = 0.0

    def _note_failure(self, error: Exception) -> None:
        """Says once that something is wrong, not at every attempt."""
        self._failures.inc()
        if not self._backoff_s:
            if isinstance(error, Unavailable):
                log.warning("housekeeping_interrupted", routine=self.name, error=error.code, detail=error.detail)
            else:
                log.exception("housekeeping_failed", routine=self.name)
        self._backoff_s = min(_MAX_BACKOFF_S, self._backoff_s * 2 or _FIRST_BACKOFF_S)
