"""Webhooks: where they are kept, and what is queued for them when a job ends.

Each is an account's, told of all its conversions; or one job's, named in its order, and told of that one only.
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
from video2mp3.database.statements import change
from video2mp3.database.tables import Job, Notification, Webhook
from video2mp3.errors import Conflict, InvalidRequest, NotFound, TooManyWaiting, TooManyWebhooks
from video2mp3.outbox import destinations

Event = Literal["conversion.finished", "conversion.failed", "conversion.canceled"]
EVENTS: tuple[Event, ...] = get_args(Event)
MAX_PER_USER = 20
MAX_QUEUED = 5000
"""Deliveries of one account that may wait: the relay looks at all of them each second."""
RETRIED_S = 86_400
"""A notification is tried again for so long."""
_PREFIX = "whsec_"
_SECRET_BYTES = 32
# The bounds of the specification (Standard Webhooks, "Signature scheme").
_LEAST_SECRET_BYTES, _MOST_SECRET_BYTES = 24, 64


@dataclass(frozen=True)
class Receiver:
    """Who is told of one job's end."""

    url: str
    secret: str
    """As Standard Webhooks writes it."""


def new_secret() -> str:
    """Returns a secret as Standard Webhooks writes it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def check_secret(secret: str) -> None:
    """Raises InvalidRequest when this is no secret as Standard Webhooks writes it."""
    try:
        size = len(base64.b64decode(secret.removeprefix(_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not secret.startswith(_PREFIX) or not _LEAST_SECRET_BYTES <= size <= _MOST_SECRET_BYTES:
        raise InvalidRequest("webhook.secret: `whsec_` and 24 to 64 random bytes in base64.")


def create(session: Session, user_id: str, url: str, events: Sequence[str]) -> Webhook:
    """Makes a webhook of the account's; the caller has locked the user and checked the URL.

    Raises:
        TooManyWebhooks: when the account has as many as it may have.
    """
    count = session.scalar(select(func.count()).select_from(Webhook).where(*_of_account(user_id)))
    if (count or 0) >= MAX_PER_USER:
        raise TooManyWebhooks
    webhook = Webhook(user_id=user_id, url=url, secret=new_secret(), events=list(events), created_at=now())
    session.add(webhook)
    session.flush()
    session.refresh(webhook)
    return webhook


def add_to_job(session: Session, job: Job, receiver: Receiver) -> None:
    """Lets one more be told of a new job's end."""
    events = list(EVENTS)
    url, secret = receiver.url, receiver.secret
    session.add(Webhook(user_id=job.user_id, job_id=job.id, url=url, secret=secret, events=events, created_at=now()))
    session.flush()


def one_off_subscriber(session: Session, job_id: str) -> Receiver | None:
    """Returns who is told of this job's end only; None: nobody."""
    webhook = session.scalars(select(Webhook).where(Webhook.job_id == job_id)).first()
    return None if webhook is None else Receiver(webhook.url, webhook.secret)


def find(session: Session, webhook_id: str, user_id: str) -> Webhook:
    """Returns a webhook of the account's. Raises NotFound."""
    webhook = session.get(Webhook, webhook_id)
    if webhook is None or webhook.user_id != user_id or webhook.job_id is not None:
        raise NotFound
    return webhook


def find_all(session: Session, user_id: str) -> list[Webhook]:
    """Returns the account's webhooks, the oldest first."""
    return list(session.scalars(select(Webhook).where(*_of_account(user_id)).order_by(Webhook.id)))


def delete(session: Session, webhook_id: str, user_id: str) -> None:
    """Deletes a webhook of the account's with its deliveries. Raises NotFound."""
    find(session, webhook_id, user_id)
    session.execute(sql_delete(Notification).where(Notification.target == webhook_id))
    session.execute(sql_delete(Webhook).where(Webhook.id == webhook_id))


def disable(session: Session, webhook_id: str) -> bool:
    """Ends the deliveries to a receiver that wants none any more; False when that was so before."""
    return change(session, Webhook, webhook_id, Webhook.disabled_at.is_(None), disabled_at=now())


def subscribers_for(session: Session, job: Job) -> list[Webhook]:
    """Returns the webhooks that are to be told of an ended job's end."""
    mine = or_(Webhook.job_id == job.id, Webhook.job_id.is_(None))
    found = select(Webhook).where(Webhook.user_id == job.user_id, mine, Webhook.disabled_at.is_(None))
    return [webhook for webhook in session.scalars(found.order_by(Webhook.id)) if event_of(job) in webhook.events]


def room_in_queue(session: Session, user_id: str) -> int:
    """Returns how many more deliveries of an account may be queued. Jobs that end at the same moment see the same."""
    queued = (Notification.state == "queued", Notification.user_id == user_id, Notification.destination != "")
    some = select(Notification.id).where(*queued).limit(MAX_QUEUED).subquery()
    return MAX_QUEUED - session.scalars(select(func.count()).select_from(some)).one()


def event_of(job: Job) -> str:
    """Returns what the end of a job is called."""
    return f"conversion.{job.state}"


def deliveries(session: Session, webhook_id: str, *, before_id: str | None, limit: int) -> list[Notification]:
    """Returns up to `limit` of a webhook's deliveries, the newest first; with `before_id` only older ones."""
    older = [Notification.id < before_id] if before_id else []
    found = select(Notification).where(Notification.target == webhook_id, *older)
    return list(session.scalars(found.order_by(Notification.id.desc()).limit(limit)))


def redeliver(session: Session, webhook: Webhook, delivery_id: str) -> Notification:
    """Queues a delivery again, whether it had arrived or not; it keeps its id, so a receiver knows it.

    Raises:
        NotFound: when the webhook has no such delivery.
        Conflict: when it is being delivered, or the receiver has said that it wants none any more.
        TooManyWaiting: when as many of the account's wait as may wait.
    """
    mine = (Notification.id == delivery_id, Notification.target == webhook.id)
    state = session.scalar(select(Notification.state).where(*mine))
    if state is None:
        raise NotFound
    if webhook.disabled_at is not None:
        raise Conflict("The receiver has answered 410 (Gone); make a new webhook.")
    if state != "queued" and not room_in_queue(session, webhook.user_id):
        raise TooManyWaiting
    not_sending = Notification.state != "sending"
    again = {"state": "queued", "not_before": 0, "announced_until": 0, "sent_at": None}
    if not change(session, Notification, delivery_id, not_sending, **again, expires_at=now() + RETRIED_S * SECOND):
        raise Conflict("It is being delivered in this moment.")
    delivery = session.get_one(Notification, delivery_id, populate_existing=True)
    # Who asks for it has most likely mended the receiver.
    destinations.record_success(session, delivery.user_id, delivery.destination)
    return delivery


def _of_account(user_id: str) -> tuple[ColumnElement[bool], ...]:
    return (Webhook.user_id == user_id, Webhook.job_id.is_(None))
