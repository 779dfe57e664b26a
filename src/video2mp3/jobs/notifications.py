"""Every change of a notification's state: it is queued with the job's end, claimed, sent, or tried again."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Job, Notification
from video2mp3.jobs import webhooks
from video2mp3.jobs.statements import change

LEASE_S = 300
"""Longer than sending can take: a message sent twice is worse than one that is late."""
FIRST_BACKOFF_S = 10
MAX_BACKOFF_S = 3600
_MAX_PROBLEM = 255
RETRIED_S = 86_400
"""A notification is tried again for so long."""


@dataclass(frozen=True)
class Notice:
    """A claimed notification. Its `attempt` is its fence: whoever has an older one has lost it."""

    notification_id: str
    job_id: str
    attempt: int
    kind: str
    target: str
    """The id of a webhook, or of a batch; empty: the job's owner."""
    request_id: str | None
    """Of the request that made the job."""
    traceparent: str | None


@dataclass(frozen=True)
class Outcome:
    """How an attempt went."""

    status: int | None = None
    """The HTTP status that a webhook's receiver answered."""
    problem: str | None = None
    """Why it was not taken, in a sentence."""

    def as_dict(self) -> dict[str, Any]:
        """Returns the columns."""
        return {"status": self.status, "problem": self.problem and self.problem[:_MAX_PROBLEM]}


def add(session: Session, job_id: str) -> None:
    """Queues what is to be told about a job's end; belongs into the transaction that ends the job."""
    job = session.get_one(Job, job_id, populate_existing=True)
    if job.notify and job.state != "canceled":
        _add(session, job_id, "mail", "")
    for webhook in webhooks.to_be_told(session, job):
        _add(session, job_id, "webhook", webhook.id)
    session.flush()


def add_for_batch(session: Session, job_id: str, batch_id: str) -> None:
    """Queues what a batch's webhook is to be told about its end; `job_id` is one of its jobs."""
    _add(session, job_id, "batch", batch_id)
    session.flush()


def _add(session: Session, job_id: str, kind: str, target: str) -> None:
    give_up_at = now() + RETRIED_S * SECOND
    session.add(Notification(job_id=job_id, kind=kind, target=target, created_at=now(), give_up_at=give_up_at))


def claim(session: Session, job_id: str) -> Notice | None:
    """Claims a due notification of the job; None when there is none, or another has it."""
    due = (Notification.job_id == job_id, Notification.state == "queued", Notification.not_before <= now())
    columns = (Notification.id, Notification.attempts, Notification.kind, Notification.target)
    found = select(*columns, Job.request_id, Job.traceparent).join(Job, Job.id == Notification.job_id)
    for row in session.execute(found.where(*due)):
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
            return Notice(row.id, job_id, row.attempts + 1, row.kind, row.target, row.request_id, row.traceparent)
    return None


def mark_sent(session: Session, notice: Notice, outcome: Outcome) -> bool:
    """Ends a notification well; False when it was lost to another."""
    return _leave(session, notice, outcome, state="sent", sent_at=now(), lease_until=None)


def mark_failed(session: Session, notice: Notice, outcome: Outcome) -> bool:
    """Ends a notification that can never be sent; False when it was lost to another."""
    return _leave(session, notice, outcome, state="failed", lease_until=None)


def try_again(session: Session, notice: Notice, outcome: Outcome) -> bool:
    """Queues a notification for another attempt, later each time; after a day it has failed.

    Returns False when it was lost to another.
    """
    backoff_s = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(notice.attempt - 1, 10))
    not_before = now() + backoff_s * SECOND
    if change(
        session,
        Notification,
        notice.notification_id,
        *_held(notice),
        Notification.give_up_at > not_before,
        **_queued,
        **outcome.as_dict(),
        not_before=not_before,
    ):
        return True
    return mark_failed(session, notice, outcome)


def reap(session: Session) -> int:
    """Queues the notifications whose notifier died while sending; returns their number."""
    expired = (Notification.state == "sending", Notification.lease_until <= now())
    ids = session.scalars(select(Notification.id).where(*expired).order_by(Notification.id).limit(100)).all()
    return sum(change(session, Notification, id_, *expired, **_queued) for id_ in ids)


_queued = {"state": "queued", "announced_until": 0, "lease_until": None}


def _leave(session: Session, notice: Notice, outcome: Outcome, **values: Any) -> bool:
    return change(session, Notification, notice.notification_id, *_held(notice), **values, **outcome.as_dict())


def _held(notice: Notice) -> tuple[ColumnElement[bool], ...]:
    return (Notification.attempts == notice.attempt, Notification.state == "sending")
