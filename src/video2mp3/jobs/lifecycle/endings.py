"""What follows from the end of a job, in the same transaction: notifications, and perhaps the end of its batch."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from video2mp3.database.clock import now
from video2mp3.database.statements import change
from video2mp3.database.tables import Batch, Job
from video2mp3.outbox import notifications

ENDED = ("finished", "failed", "canceled")
"""The final states."""

_other = aliased(Job)
unended_jobs = select(_other.id).where(_other.batch_id == Batch.id, _other.state.not_in(ENDED)).exists()
"""Whether a batch has jobs that have not ended."""


def job_ended(session: Session, job_id: str) -> None:
    """Adds the notifications of a job that ended, and ends its batch if no other job of that runs.

    Of two jobs that end at the same moment, neither transaction may see the other; then the reaper ends the batch.
    """
    notifications.add(session, job_id)
    over = select(Batch).join(Job, Job.batch_id == Batch.id).where(Job.id == job_id, ~unended_jobs)
    for batch in session.scalars(over).all():
        end_batch(session, batch)


def end_batch(session: Session, batch: Batch) -> bool:
    """Records that all jobs of a batch have ended, and adds its notification; False if that was done before."""
    if not change(session, Batch, batch.id, Batch.ended_at.is_(None), ended_at=now()):
        return False
    # A notification belongs to a job: here the newest that was not deleted.
    last = session.scalar(select(func.max(Job.id)).where(Job.batch_id == batch.id))
    if batch.webhook_url is not None and last is not None:
        notifications.add_for_batch(session, last, batch)
    return True
