"""Batches: jobs that were submitted together. Their states are those of their jobs; only their end is recorded."""

from collections.abc import Sequence

from sqlalchemy import delete as sql_delete
from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from video2mp3.database.clock import now
from video2mp3.database.statements import insert
from video2mp3.database.tables import Batch, Job, new_id
from video2mp3.errors import NotFound
from video2mp3.jobs import lifecycle
from video2mp3.jobs.idempotency import Idempotency
from video2mp3.jobs.lifecycle.endings import end_batch, unended_jobs
from video2mp3.outbox.webhooks import Receiver

_ENDED_AT_ONCE = 100


def create(
    session: Session, user_id: str, *, tag: str | None, webhook: Receiver | None, idempotency: Idempotency | None
) -> Batch:
    """Creates a batch without jobs, which the caller submits in the same transaction after locking the user."""
    row = Batch(
        id=new_id(),
        user_id=user_id,
        tag=tag,
        webhook_url=webhook.url if webhook else None,
        webhook_secret=webhook.secret if webhook else None,
        idempotency_key=idempotency and idempotency.key,
        request_sha256=idempotency and idempotency.request_sha256,
        created_at=now(),
    )
    return insert(session, row)


def find(session: Session, batch_id: str, user_id: str) -> Batch:
    """Returns the user's batch. Raises NotFound."""
    batch = session.get(Batch, batch_id)
    if batch is None or batch.user_id != user_id:
        raise NotFound
    return batch


def list_page(session: Session, user_id: str, *, before_id: str | None, limit: int) -> list[Batch]:
    """Returns up to `limit` of the user's batches, the newest first; with `before_id` only older ones."""
    older = [Batch.id < before_id] if before_id else []
    found = select(Batch).where(Batch.user_id == user_id, *older)
    return list(session.scalars(found.order_by(Batch.id.desc()).limit(limit)))


def jobs_of(session: Session, batch_id: str, *, with_reports: bool = False) -> list[Job]:
    """Returns the batch's jobs in the order of its items, without deleted ones.

    Their reports, which may be long, are loaded only `with_reports`.
    """
    found = select(Job).where(Job.batch_id == batch_id).order_by(Job.id)
    return list(session.scalars(found if with_reports else found.options(defer(Job.report, raiseload=True))))


def delete(session: Session, batch: Batch) -> list[str]:
    """Deletes a batch and its jobs, which have all ended; returns the storage keys to delete after the commit."""
    jobs = jobs_of(session, batch.id)
    keys = [key for job in jobs for key in lifecycle.delete(session, job.id, batch.user_id)]
    session.execute(sql_delete(Batch).where(Batch.id == batch.id))
    return keys


def end(session: Session) -> int:
    """Ends the batches whose jobs have all ended and that none of them ended; returns their number."""
    over = select(Batch).where(Batch.ended_at.is_(None), ~unended_jobs).order_by(Batch.id).limit(_ENDED_AT_ONCE)
    return sum(end_batch(session, batch) for batch in session.scalars(over).all())


def states(jobs: Sequence[Job]) -> dict[str, int]:
    """Returns the number of jobs by state."""
    found = [job.state for job in jobs]
    return {state: found.count(state) for state in dict.fromkeys(found)}


def percent(jobs: Sequence[Job]) -> int:
    """Returns the average progress of the jobs."""
    done = sum(100 if job.state in lifecycle.ENDED else job.percent for job in jobs)
    return done // len(jobs) if jobs else 100
