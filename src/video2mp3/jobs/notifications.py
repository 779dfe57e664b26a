"""Every change of a notification's state: it is queued with the job's end, claimed, sent, or tried again."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from video2mp3.database.backoff import backoff_us
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Batch, Job, Notification
from video2mp3.jobs import destinations, webhooks
from video2mp3.jobs.statements import change, change_all
from video2mp3.outbound import host_of

LEASE_S = 300
"""Longer than sending can take: a message sent twice is worse than one that is late."""
FIRST_BACKOFF_S = 10
MAX_BACKOFF_S = 3600
_MAX_PROBLEM = 255
_QUEUE_FULL = f"It was not sent: {webhooks.MAX_QUEUED:,} deliveries of the account waited already."
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
    user_id: str
    """The job's owner."""
    destination: str
    """The host that it goes to; empty: the mail server."""
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
        _add(session, job, "mail", target="", destination="")
    told = webhooks.to_be_told(session, job)
    room = webhooks.room_in_queue(session, job.user_id) if told else 0
    for place, webhook in enumerate(told):
        is_full = place >= room
        _add(session, job, "webhook", target=webhook.id, destination=host_of(webhook.url), is_full=is_full)
    session.flush()


def add_for_batch(session: Session, job_id: str, batch: Batch) -> None:
    """Queues what a batch's webhook is to be told about its end; `job_id` is one of its jobs."""
    job = session.get_one(Job, job_id)
    is_full = not webhooks.room_in_queue(session, job.user_id)
    _add(session, job, "batch", target=batch.id, destination=host_of(batch.webhook_url or ""), is_full=is_full)
    session.flush()


def _add(session: Session, job: Job, kind: str, *, target: str, destination: str, is_full: bool = False) -> None:
    session.add(
        Notification(
            job_id=job.id,
            kind=kind,
            target=target,
            user_id=job.user_id,
            destination=destination,
            state="failed" if is_full else "queued",
            problem=_QUEUE_FULL if is_full else None,
            created_at=now(),
            give_up_at=now() + RETRIED_S * SECOND,
        )
    )


def claim(session: Session, job_id: str) -> Notice | None:
    """Claims a notification of the job that was announced; None when there is none, or another has it.

    One that is due, and not announced, has to wait for its turn (see `jobs/notification_turns.py`).
    """
    announced = (
        Notification.job_id == job_id,
        Notification.state == "queued",
        Notification.not_before <= now(),
        Notification.announced_until > now(),
    )
    found = select(Notification, Job.request_id, Job.traceparent).join(Job, Job.id == Notification.job_id)
    for row, request_id, traceparent in session.execute(found.where(*announced)):
        attempt = row.attempts + 1
        claimed = change(
            session,
            Notification,
            row.id,
            Notification.attempts == row.attempts,
            Notification.state == "queued",
            state="sending",
            attempts=attempt,
            lease_until=now() + LEASE_S * SECOND,
        )
        if claimed:
            return Notice(
                row.id, job_id, attempt, row.kind, row.target, row.user_id, row.destination, request_id, traceparent
            )
    return None


def mark_sent(session: Session, notice: Notice, outcome: Outcome) -> bool:
    """Ends a notification well; False when it was lost to another."""
    if not _leave(session, notice, outcome, state="sent", sent_at=now(), lease_until=None):
        return False
    if notice.destination:
        destinations.record_success(session, notice.user_id, notice.destination)
    return True


def mark_failed(session: Session, notice: Notice, outcome: Outcome) -> bool:
    """Ends a notification that can never be sent; False when it was lost to another."""
    return _leave(session, notice, outcome, state="failed", lease_until=None)


def try_again(session: Session, notice: Notice, outcome: Outcome) -> bool:
    """Queues a notification for another attempt, later each time; after a day it has failed.

    Returns False when it was lost to another.
    """
    not_before = now() + backoff_us(notice.attempt, first_s=FIRST_BACKOFF_S, max_s=MAX_BACKOFF_S)
    in_time = Notification.give_up_at > not_before
    again = {**_queued, **outcome.as_dict(), "not_before": not_before}
    if not change(session, Notification, notice.notification_id, *_held(notice), in_time, **again) and not mark_failed(
        session, notice, outcome
    ):
        return False
    if notice.destination and destinations.record_failure(session, notice.user_id, notice.destination):
        _give_up_what_waits(session, notice)
    return True


def _give_up_what_waits(session: Session, notice: Notice) -> None:
    """Ends what has waited for a day behind others for the same host: its own attempt would come too late."""
    change_all(
        session,
        Notification,
        Notification.state == "queued",
        Notification.user_id == notice.user_id,
        Notification.destination == notice.destination,
        Notification.give_up_at <= now(),
        state="failed",
        problem="The receiver has not answered for a day.",
    )


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
