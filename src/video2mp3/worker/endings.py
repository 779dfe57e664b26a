"""How a try ends in a worker, whether it converted, fetched or sent."""

from collections.abc import Callable

import structlog
from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.database.retrying import commit_with_retry
from video2mp3.errors import Canceled, DatabaseUnavailable, Video2mp3Error
from video2mp3.jobs import lifecycle
from video2mp3.worker.leases import Lease


class Ending:
    """Writes the end of what is done under one lease."""

    def __init__(self, database: Database, lease: Lease, log: structlog.stdlib.BoundLogger) -> None:
        self._database = database
        self._lease = lease
        self._log = log

    def stopped(self) -> None:
        """Ends work that the lease told to stop."""
        claim, reason = self._lease.claim, self._lease.stop_reason
        self._log.info("job_stopped", reason=reason)
        if reason == "cancel":
            self.settle(lambda session: lifecycle.fail(session, claim, Canceled()))
        elif reason in ("drain", "others"):
            self.settle(lambda session: lifecycle.release(session, claim))
        else:
            # Lost, or so it seems: where only the database was away, the job goes back as after any outage.
            self.settle(lambda session: lifecycle.fail(session, claim, DatabaseUnavailable()))

    def failed(self, error: Video2mp3Error) -> None:
        """Ends work that went wrong."""
        self._log.info(_FAILED[self._lease.claim.transfer], error=error.code, detail=error.detail)
        self.settle(lambda session: lifecycle.fail(session, self._lease.claim, error))

    def settle(self, write: Callable[[Session], bool]) -> bool | None:
        """Writes an end; None when the database did not answer: then the reaper will act."""
        written = commit_with_retry(self._database, write)
        if written is None:
            self._log.warning("job_end_not_written")
        return written


_FAILED = {None: "conversion_failed", "fetch": "fetch_failed", "send": "sending_failed"}
