"""Metrics of jobs, counted after the commit by the process that changed the job."""

from functools import partial

from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND
from video2mp3.database.connection import after_commit
from video2mp3.database.tables import Job
from video2mp3.telemetry import metrics


def submitted(session: Session, priority: str) -> None:
    """Counts a submitted job."""
    after_commit(session, metrics.JOBS_SUBMITTED.labels(priority).inc)


def claimed_first(session: Session, job: Job, priority: str) -> None:
    """Records how long a job waited for a worker, at its first claim."""
    if job.started_at is not None:
        due_at = max(job.created_at, job.not_before)
        waited_s = max(0, job.started_at - due_at) / SECOND
        after_commit(session, partial(metrics.JOB_WAIT_S.labels(priority).observe, waited_s))


def became(session: Session, state: str, code: str = "") -> None:
    """Counts an attempt that ended: with the job, or `queued` for another one. The code is an error's, or empty."""
    if state == "queued":
        after_commit(session, metrics.JOBS_REQUEUED.labels(code).inc)
    else:
        after_commit(session, metrics.JOBS_ENDED.labels(state, code).inc)
