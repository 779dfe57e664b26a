"""Records how an attempt ended, for conversions, fetches and deliveries."""

from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.database.retrying import commit_with_retry
from video2mp3.errors import Canceled, DatabaseUnavailable, Video2mp3Error
from video2mp3.jobs import lifecycle
from video2mp3.worker.leases import Lease


class Outcome:
    """Writes the outcome of the work under one lease to the job's row."""

    def __init__(self, database: Database, lease: Lease, log: structlog.stdlib.BoundLogger) -> None:
        self._database = database
        self._lease = lease
        self._log = log

    def record_stop(self) -> None:
        """Records that the work stopped because the lease required it."""
        claim, reason = self._lease.claim, self._lease.stop_reason
        self._log.info("job_stopped", reason=reason)
        if reason == "cancel":
            self.record(lambda session: lifecycle.fail(session, claim, Canceled()))
        elif reason in ("drain", "preempted"):
            self.record(lambda session: lifecycle.release(session, claim))
        else:
            # The lease is lost or could not be renewed. If only the database was unavailable, this requeues the job.
            self.record(lambda session: lifecycle.fail(session, claim, DatabaseUnavailable()))

    def record_failure(self, error: Video2mp3Error) -> None:
        """Records that the work failed."""
        self._log.info(_FAILED[self._lease.claim.transfer], error=error.code, detail=error.detail)
        self.record(lambda session: lifecycle.fail(session, self._lease.claim, error))

    def record(self, write: Callable[[Session], bool]) -> bool | None:
        """Writes an outcome; returns None if the database did not answer, in which case the reaper ends the lease."""
        written = commit_with_retry(self._database, write)
        if written is None:
            self._log.warning("job_outcome_not_written")
        return written


_FAILED = {None: "conversion_failed", "fetch": "fetch_failed", "send": "sending_failed"}
