"""Webhooks: receivers of events about conversions, and the log of deliveries."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, WithJsonSchema
from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.accounts import audit
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.frame.parameters import Cursor, ItemId, Limit
from video2mp3.api.frame.schemas import NextCursor, RequestBody, moment, moment_or_none
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.statements import lock_user
from video2mp3.database.tables import Job, Notification, Webhook
from video2mp3.outbound import redacted
from video2mp3.outbox import webhooks
from video2mp3.outbox.webhooks import EVENTS, Event

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=SmallBodyRoute)

Url = Annotated[str, Field(max_length=2000, description="http or https; it has to lead to the public Internet.")]


class NewReceiver(RequestBody):
    """Who is told of one conversion's end."""

    url: Url
    secret: str = Field(max_length=100, description="Of your making: `whsec_` and 24 to 64 random bytes in base64.")


# Written out: a reference to another schema would lead nowhere in the description of a body.
Receiver = Annotated[NewReceiver, WithJsonSchema(NewReceiver.model_json_schema())]
"""The type of a field that names who is told."""


class NewWebhook(RequestBody):
    """A webhook to create."""

    url: Url
    events: list[Event] = Field(list(EVENTS), min_length=1, max_length=10, description="What is to be told.")


class WebhookJSON(BaseModel):
    """A webhook of the account: it receives events about all its conversions."""

    id: str
    url: str = Field(description="Without its query, which may be a secret.")
    events: list[Event]
    created_at: datetime
    disabled_at: datetime | None = Field(description="When its receiver answered 410; it gets no more deliveries.")

    @classmethod
    def of(cls, webhook: Webhook) -> "WebhookJSON":
        """Represents a row."""
        return cls(
            id=webhook.id,
            url=redacted(webhook.url),
            events=[event for event in EVENTS if event in webhook.events],
            created_at=moment(webhook.created_at),
            disabled_at=moment_or_none(webhook.disabled_at),
        )


class CreatedWebhook(WebhookJSON):
    """A new webhook."""

    secret: str = Field(description="The key that signs deliveries (Standard Webhooks). It is shown only once.")


class WebhookList(BaseModel):
    """All webhooks of the account."""

    items: list[WebhookJSON]


class DeliveryJSON(BaseModel):
    """A delivery to a webhook: sent, failed or queued."""

    id: str = Field(description="The `webhook-id` that the receiver sees; the same for every attempt.")
    event: Event
    conversion_id: str
    state: Literal["queued", "sending", "sent", "failed"]
    attempts: int
    status: int | None = Field(description="The status of the receiver's last response.")
    problem: str | None = Field(description="Why the last attempt failed.")
    created_at: datetime
    next_attempt_at: datetime | None
    delivered_at: datetime | None

    @classmethod
    def of(cls, delivery: Notification, job: Job) -> "DeliveryJSON":
        """Represents a row."""
        waits = delivery.state == "queued" and delivery.attempts > 0 and delivery.not_before > 0
        return cls(
            id=delivery.id,
            event=webhooks.event_of(job),  # type: ignore[arg-type]  # checked by the model
            conversion_id=job.id,
            state=delivery.state,  # type: ignore[arg-type]  # as above
            attempts=delivery.attempts,
            status=delivery.status,
            problem=delivery.problem,
            created_at=moment(delivery.created_at),
            next_attempt_at=moment(delivery.not_before) if waits else None,
            delivered_at=moment_or_none(delivery.sent_at),
        )


class DeliveryPage(BaseModel):
    """Some deliveries, the newest first."""

    items: list[DeliveryJSON]
    next_cursor: NextCursor


@router.post("", status_code=201)
def create_webhook(new: NewWebhook, user: CurrentUser, services: CurrentServices) -> CreatedWebhook:
    """Creates a webhook. Only this response contains its secret."""
    services.guard.check(new.url)
    with services.database.write() as session:
        lock_user(session, user.user_id)
        webhook = webhooks.create(session, user.user_id, new.url, new.events)
        audit.record(session, "webhook.created", by=user.user_id, about=webhook.id)
    return CreatedWebhook(**WebhookJSON.of(webhook).model_dump(), secret=webhook.secret)


@router.get("")
def list_webhooks(user: CurrentUser, services: CurrentServices) -> WebhookList:
    """Lists the webhooks, the oldest first."""
    with services.database.read() as session:
        return WebhookList(items=[WebhookJSON.of(webhook) for webhook in webhooks.find_all(session, user.user_id)])


@router.get("/{webhook_id}")
def read_webhook(webhook_id: ItemId, user: CurrentUser, services: CurrentServices) -> WebhookJSON:
    """Returns one webhook."""
    with services.database.read() as session:
        return WebhookJSON.of(webhooks.find(session, webhook_id, user.user_id))


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: ItemId, user: CurrentUser, services: CurrentServices) -> Response:
    """Deletes a webhook with all its deliveries, including queued ones."""
    with services.database.write() as session:
        webhooks.delete(session, webhook_id, user.user_id)
        audit.record(session, "webhook.deleted", by=user.user_id, about=webhook_id)
    return Response(status_code=204)


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: ItemId, user: CurrentUser, services: CurrentServices, limit: Limit = 20, cursor: Cursor = None
) -> DeliveryPage:
    """Lists the deliveries to a webhook; they are deleted with their conversions."""
    with services.database.read() as session:
        webhooks.find(session, webhook_id, user.user_id)
        found = webhooks.deliveries(session, webhook_id, before_id=cursor, limit=limit + 1)
        items = _represent(session, found[:limit])
    return DeliveryPage(items=items, next_cursor=found[limit - 1].id if len(found) > limit else None)


@router.post("/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202)
def retry_delivery(
    webhook_id: ItemId, delivery_id: ItemId, user: CurrentUser, services: CurrentServices
) -> DeliveryJSON:
    """Delivers again at once with the same id, whatever the outcome of earlier attempts."""
    with services.database.write() as session:
        webhook = webhooks.find(session, webhook_id, user.user_id)
        delivery = webhooks.redeliver(session, webhook, delivery_id)
        represented = _represent(session, [delivery])[0]
    services.wake()
    return represented


def validate_receiver(receiver: NewReceiver | None, services: Services) -> webhooks.Receiver | None:
    """Returns who is to be told of a conversion's end.

    Raises:
        UrlRejected: when the URL may not be named.
        InvalidRequest: when the secret is none.
    """
    if receiver is None:
        return None
    services.guard.check(receiver.url)
    webhooks.check_secret(receiver.secret)
    return webhooks.Receiver(receiver.url, receiver.secret)


def _represent(session: Session, deliveries: list[Notification]) -> list[DeliveryJSON]:
    jobs = {
        job.id: job for job in session.scalars(select(Job).where(Job.id.in_({found.job_id for found in deliveries})))
    }
    return [DeliveryJSON.of(delivery, jobs[delivery.job_id]) for delivery in deliveries]
