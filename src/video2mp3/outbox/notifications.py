"""Every change of a notification's state: queued with the end of its job, claimed, sent, or retried."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change_all
from video2mp3.database.tables import Batch, Job, Notification
from video2mp3.outbound import host_of
from video2mp3.outbox import claims, destinations, webhooks
from video2mp3.outbox.claims import Claim, End

GONE = 410
"""With this status a receiver asks for no more deliveries."""
_MAX_PROBLEM = 255
_QUEUE_FULL = f"It was not sent: {webhooks.MAX_QUEUED:,} deliveries of the account waited already."


@dataclass(frozen=True)
class ClaimedNotification(Claim):
    """A claimed notification, with what its sending needs."""

    job_id: str
    kind: str
    target: str
    """The id of a webhook, or of a batch; empty: the job's owner."""
    user_id: str
    """The job's owner."""
    destination: str
    """The host that it goes to; empty: the mail server."""
    request_id: str | None
    """Of the request that created the job."""
    traceparent: str | None


@dataclass(frozen=True)
class Outcome:
    """The outcome of one attempt."""

    end: End
    status: int | None = None
    """The HTTP status of a webhook's receiver."""
    problem: str | None = None
    """Why it was not accepted, in a sentence."""


def add(session: Session, job_id: str) -> None:
    """Queues the notifications of a job's end; call it in the transaction that ends the job."""
    job = session.get_one(Job, job_id, populate_existing=True)
    if job.email_notifications and job.state != "canceled":
        _add(session, job, "email", target="", destination="")
    subscribers = webhooks.subscribers_for(session, job)
    room = webhooks.room_in_queue(session, job.user_id) if subscribers else 0
    for place, webhook in enumerate(subscribers):
        is_full = place >= room
        _add(session, job, "webhook", target=webhook.id, destination=host_of(webhook.url), is_full=is_full)
    session.flush()


def add_for_batch(session: Session, job_id: str, batch: Batch) -> None:
    """Queues the notification of a batch's end for its webhook; `job_id` is one of its jobs."""
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
            expires_at=now() + webhooks.RETRIED_S * SECOND,
        )
    )


def claim(session: Session, job_id: str) -> ClaimedNotification | None:
    """Claims a notification of the job that was announced; None when there is none, or another notifier has it.

    One that is due, and not announced, waits until the relay chooses it (see `fair_window`).
    """
    announced = (
        Notification.job_id == job_id,
        Notification.state == "queued",
        Notification.not_before <= now(),
        Notification.announced_until > now(),
    )
    found = select(Notification, Job.request_id, Job.traceparent).join(Job, Job.id == Notification.job_id)
    for row, request_id, traceparent in session.execute(found.where(*announced)):
        # If it is queued again, the relay has to announce it again.
        if claims.claim(session, row, announced_until=0):
            of_row = (Notification, row.id, row.attempts + 1)
            to = (row.kind, row.target, row.user_id, row.destination)
            return ClaimedNotification(*of_row, job_id, *to, request_id, traceparent)
    return None


def end(session: Session, claimed: ClaimedNotification, outcome: Outcome) -> bool:
    """Writes the outcome of an attempt; False if another notifier has the notification now."""
    if outcome.status == GONE:
        webhooks.disable(session, claimed.target)
    problem = outcome.problem and outcome.problem[:_MAX_PROBLEM]
    if not claims.end(session, claimed, outcome.end, status=outcome.status, problem=problem):
        return False
    host = claimed.destination
    if host and outcome.end == "sent":
        destinations.record_success(session, claimed.user_id, host)
    elif host and outcome.end == "retried" and destinations.record_failure(session, claimed.user_id, host):
        _fail_expired(session, claimed)
    return True


def _fail_expired(session: Session, claimed: ClaimedNotification) -> None:
    """Fails what has waited for a day behind others for the same host: its attempt would come too late."""
    change_all(
        session,
        Notification,
        Notification.state == "queued",
        Notification.user_id == claimed.user_id,
        Notification.destination == claimed.destination,
        Notification.expires_at <= now(),
        state="failed",
        problem="The receiver has not answered for a day.",
    )
