"""Counts state changes of jobs for the metrics, after their commit, in the process that made them."""

from functools import partial

from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND
from video2mp3.database.connection import after_commit
from video2mp3.database.tables import Job
from video2mp3.telemetry import metrics


def submitted(session: Session, priority: str) -> None:
    """Counts a job that is made."""
    after_commit(session, metrics.JOBS_SUBMITTED.labels(priority).inc)


def claimed_first(session: Session, job: Job, priority: str) -> None:
    """Notes how long a job could have been taken, at its first claim."""
    if job.started_at is not None:
        due_at = max(job.created_at, job.not_before)
        waited_s = max(0, job.started_at - due_at) / SECOND
        after_commit(session, partial(metrics.JOB_WAIT_S.labels(priority).observe, waited_s))


def became(session: Session, state: str, code: str = "") -> None:
    """Counts a try that ended: with the job, or `queued` for another one. The code is an error's, or empty."""
    if state == "queued":
        after_commit(session, metrics.JOBS_REQUEUED.labels(code).inc)
    else:
        after_commit(session, metrics.JOBS_ENDED.labels(state, code).inc)
