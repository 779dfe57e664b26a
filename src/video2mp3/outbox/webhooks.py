"""Webhooks and their deliveries.

An account's webhook gets the events of all its conversions. A one-off webhook belongs to one job, and gets its events
only.
"""

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change, insert
from video2mp3.database.tables import Job, Notification, Webhook
from video2mp3.errors import Conflict, InvalidRequest, NotFound, TooManyWaiting, TooManyWebhooks
from video2mp3.outbox import destinations

Event = Literal["conversion.finished", "conversion.failed", "conversion.canceled"]
EVENTS: tuple[Event, ...] = get_args(Event)
MAX_PER_USER = 20
MAX_QUEUED = 5000
"""Deliveries of one account that may wait: the relay reads all of them each second."""
RETRIED_S = 86_400
"""The service retries a notification for this long."""
_PREFIX = "whsec_"
_SECRET_BYTES = 32
# The bounds of the specification (Standard Webhooks, "Signature scheme").
_LEAST_SECRET_BYTES, _MOST_SECRET_BYTES = 24, 64


@dataclass(frozen=True)
class Receiver:
    """The URL that gets one job's events."""

    url: str
    secret: str
    """In the format of Standard Webhooks."""


def new_secret() -> str:
    """Returns a new secret in the format of Standard Webhooks."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def check_secret(secret: str) -> None:
    """Raises InvalidRequest if the secret does not have the format of Standard Webhooks."""
    try:
        size = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not secret.startswith(_PREFIX) or not _LEAST_SECRET_BYTES <= size <= _MOST_SECRET_BYTES:
        raise InvalidRequest("webhook.secret: `whsec_` and 24 to 64 random bytes in base64.")


def create(session: Session, user_id: str, url: str, events: Sequence[str]) -> Webhook:
    """Creates a webhook of the account; the caller has locked the user and checked the URL.

    Raises:
        TooManyWebhooks: if the account has reached its limit.
    """
    count = session.scalar(select(func.count()).select_from(Webhook).where(*_of_account(user_id)))
    if (count or 0) >= MAX_PER_USER:
        raise TooManyWebhooks
    row = Webhook(user_id=user_id, url=url, secret=new_secret(), events=list(events), created_at=now())
    return insert(session, row)


def add_to_job(session: Session, job: Job, receiver: Receiver) -> None:
    """Adds a one-off webhook to a new job."""
    events = list(EVENTS)
    url, secret = receiver.url, receiver.secret
    session.add(Webhook(user_id=job.user_id, job_id=job.id, url=url, secret=secret, events=events, created_at=now()))
    session.flush()


def one_off_subscriber(session: Session, job_id: str) -> Receiver | None:
    """Returns the job's one-off webhook; None if it has none."""
    webhook = session.scalars(select(Webhook).where(Webhook.job_id == job_id)).first()
    return None if webhook is None else Receiver(webhook.url, webhook.secret)


def find(session: Session, webhook_id: str, user_id: str) -> Webhook:
    """Returns a webhook of the account. Raises NotFound."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None or webhook.user_id != user_id or webhook.job_id is not None:
        raise NotFound
    return webhook


def find_all(session: Session, user_id: str) -> list[Webhook]:
    """Returns the account's webhooks, the oldest first."""
    return list(session.scalars(select(Webhook).where(*_of_account(user_id)).order_by(Webhook.id)))


def delete(session: Session, webhook_id: str, user_id: str) -> None:
    """Deletes a webhook of the account and its deliveries. Raises NotFound."""
    find(session, webhook_id, user_id)
    session.execute(sql_delete(Notification).where(Notification.target == webhook_id))
    session.execute(sql_delete(Webhook).where(Webhook.id == webhook_id))


def disable(session: Session, webhook_id: str) -> bool:
    """Ends the deliveries to a webhook; False if it was disabled before."""
    return change(session, Webhook, webhook_id, Webhook.disabled_at.is_(None), disabled_at=now())


def subscribers_for(session: Session, job: Job) -> list[Webhook]:
    """Returns the webhooks that get the event of an ended job."""
    mine = or_(Webhook.job_id == job.id, Webhook.job_id.is_(None))
    found = select(Webhook).where(Webhook.user_id == job.user_id, mine, Webhook.disabled_at.is_(None))
    return [webhook for webhook in session.scalars(found.order_by(Webhook.id)) if event_of(job) in webhook.events]


def room_in_queue(session: Session, user_id: str) -> int:
    """Returns how many more deliveries of an account may be queued. Concurrent readers get the same number."""
    queued = (Notification.state == "queued", Notification.user_id == user_id, Notification.destination != "")
    some = select(Notification.id).where(*queued).limit(MAX_QUEUED).subquery()
    return MAX_QUEUED - session.scalars(select(func.count()).select_from(some)).one()


def event_of(job: Job) -> str:
    """Returns the type of the event of an ended job."""
    return f"conversion.{job.state}"


def deliveries(session: Session, webhook_id: str, *, before_id: str | None, limit: int) -> list[Notification]:
    """Returns up to `limit` of a webhook's deliveries, the newest first; with `before_id` only older ones."""
    older = [Notification.id < before_id] if before_id else []
    found = select(Notification).where(Notification.target == webhook_id, *older)
    return list(session.scalars(found.order_by(Notification.id.desc()).limit(limit)))


def redeliver(session: Session, webhook: Webhook, delivery_id: str) -> Notification:
    """Queues a delivery again, whether it arrived or not. It keeps its id, so the receiver can detect it.

    Raises:
        NotFound: if the webhook has no such delivery.
        Conflict: if it is being delivered, or the webhook is disabled.
        TooManyWaiting: if too many deliveries of the account wait.
    """
    mine = (Notification.id == delivery_id, Notification.target == webhook.id)
    state = session.scalar(select(Notification.state).where(*mine))
    if state is None:
        raise NotFound
    if webhook.disabled_at is not None:
        raise Conflict("The receiver answered 410 (Gone); create a new webhook.")
    if state != "queued" and not room_in_queue(session, webhook.user_id):
        raise TooManyWaiting
    not_sending = Notification.state != "sending"
    again = {"state": "queued", "not_before": 0, "announced_until": 0, "sent_at": None}
    if not change(session, Notification, delivery_id, not_sending, **again, expires_at=now() + RETRIED_S * SECOND):
        raise Conflict("The delivery is in progress.")
    delivery = session.get_one(Notification, delivery_id, populate_existing=True)
    # The user has most likely repaired the receiver.
    destinations.record_success(session, delivery.user_id, delivery.destination)
    return delivery


def _of_account(user_id: str) -> tuple[ColumnElement[bool], ...]:
    return (Webhook.user_id == user_id, Webhook.job_id.is_(None))
