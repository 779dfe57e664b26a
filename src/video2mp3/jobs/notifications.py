"""Every change of a notification's state: it is queued with the job's end, claimed, sent, or tried again."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Job, Notification
from video2mp3.jobs.statements import change

LEASE_S = 300
"""Longer than sending can take: a message sent twice is worse than one that is late."""
FIRST_BACKOFF_S = 10
MAX_BACKOFF_S = 3600
ATTEMPTS_LIMIT = 30
"""With the backoff: about a day."""


@dataclass(frozen=True)
class Notice:
    """A claimed notification. Its `attempt` is its fence: whoever has an older one has lost it."""

    notification_id: str
    job_id: str
    attempt: int
    request_id: str | None
    """Of the request that made the job."""
    traceparent: str | None


def add(session: Session, job_id: str) -> None:
    """Queues the mail about a job's end, where one is wanted; belongs into the transaction that ends the job."""
    if session.scalar(select(Job.notify).where(Job.id == job_id)):
        session.add(Notification(job_id=job_id, kind="mail", created_at=now()))
        session.flush()


def claim(session: Session, job_id: str) -> Notice | None:
    """Claims a due notification of the job; None when there is none, or another has it."""
    due = (Notification.job_id == job_id, Notification.state == "queued", Notification.not_before <= now())
    columns = (Notification.id, Notification.attempts, Job.request_id, Job.traceparent)
    for row in session.execute(select(*columns).join(Job, Job.id == Notification.job_id).where(*due)):
        claimed = change(
            session,
            Notification,
            row.id,
            Notification.attempts == row.attempts,
            Notification.state == "queued",
            state="sending",
            attempts=row.attempts + 1,
            lease_until=now() + LEASE_S * SECOND,
        )
        if claimed:
            return Notice(row.id, job_id, row.attempts + 1, row.request_id, row.traceparent)
    return None


def mark_sent(session: Session, notice: Notice) -> bool:
    """Ends a notification well; False when it was lost to another."""
    return change(
        session, Notification, notice.notification_id, *_held(notice), state="sent", sent_at=now(), lease_until=None
    )


def mark_failed(session: Session, notice: Notice) -> bool:
    """Ends a notification that can never be sent; False when it was lost to another."""
    return change(session, Notification, notice.notification_id, *_held(notice), state="failed", lease_until=None)


def try_again(session: Session, notice: Notice) -> bool:
    """Queues a notification for another attempt, later each time; after the last one it has failed.

    Returns False when it was lost to another.
    """
    if notice.attempt >= ATTEMPTS_LIMIT:
        return mark_failed(session, notice)
    backoff_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (notice.attempt - 1))
    not_before = now() + backoff_s * SECOND
    return change(session, Notification, notice.notification_id, *_held(notice), **_queued, not_before=not_before)


def reap(session: Session) -> int:
    """Queues the notifications whose notifier died while sending; returns their number."""
    expired = (Notification.state == "sending", Notification.lease_until <= now())
    ids = session.scalars(select(Notification.id).where(*expired).order_by(Notification.id).limit(100)).all()
    return sum(change(session, Notification, id_, *expired, **_queued) for id_ in ids)


_queued = {"state": "queued", "announced_until": 0, "lease_until": None}


def _held(notice: Notice) -> tuple[ColumnElement[bool], ...]:
    return (Notification.attempts == notice.attempt, Notification.state == "sending")
