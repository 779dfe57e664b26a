"""Batches: many conversions in one request, followed and downloaded together."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from video2mp3.api.auth.identity import CurrentUser, Principal
from video2mp3.api.conversions.archives import ZIP_RESPONSES, zip_response
from video2mp3.api.conversions.option_parsing import OPTIONS_SCHEMA
from video2mp3.api.conversions.representations import State
from video2mp3.api.conversions.requests import ConversionRequest, StrictBody, job_spec
from video2mp3.api.conversions.sources import Source
from video2mp3.api.conversions.submission import submit_in_transaction
from video2mp3.api.fairness.rates import rates_of
from video2mp3.api.frame.parameters import Cursor, ItemId
from video2mp3.api.frame.schemas import NextCursor, moment, moment_or_none
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.api.frame.stored_objects import delete_stored
from video2mp3.api.webhooks.routes import Receiver, validate_receiver
from video2mp3.database.statements import lock_user
from video2mp3.database.tables import Batch, Job
from video2mp3.errors import NotFinished
from video2mp3.jobs import batches
from video2mp3.jobs.canceling import cancel_all
from video2mp3.jobs.idempotency import Idempotency, find_earlier
from video2mp3.jobs.lifecycle import Priority
from video2mp3.jobs.sources import JobSpec

router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=SmallBodyRoute)

MAX_ITEMS = 100


class NewItem(StrictBody):
    """One conversion of a batch: of an upload, or of a file at a URL."""

    upload_id: ItemId | None = Field(None, description="From POST /v1/uploads.")
    source: Source | None = None
    options: dict[str, Any] = Field(default_factory=dict, description="They override those of the batch.")
    tag: str | None = Field(None, max_length=255, description="Any text, returned with the conversion.")


class NewBatch(StrictBody):
    """A request for several conversions."""

    items: list[NewItem] = Field(min_length=1, max_length=MAX_ITEMS)
    options: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra={**OPTIONS_SCHEMA, "description": "Of every conversion."}
    )
    tag: str | None = Field(None, max_length=255, description="Any text, returned with the batch.")
    priority: Priority = Field("normal", description="Of every conversion.")
    email_notifications: bool = Field(False, description="true: send an email at the end of each conversion.")
    webhook: Receiver | None = Field(None, description="The receiver of an event when the whole batch ends.")


class BatchItemJSON(BaseModel):
    """A conversion of a batch; its details are at /v1/conversions/{id}."""

    id: str
    name: str
    tag: str | None
    state: State
    percent: int


class BatchJSON(BaseModel):
    """A batch."""

    id: str
    state: Literal["running", "ended"]
    percent: int = Field(ge=0, le=100, description="Of all conversions together; failed ones count as done.")
    tag: str | None
    counts: dict[State, int] = Field(description="How many conversions are in each state.")
    conversions: list[BatchItemJSON] = Field(description="In the order of the items, without deleted ones.")
    created_at: datetime
    ended_at: datetime | None = Field(description="Within seconds of its last conversion's end.")

    @classmethod
    def of(cls, batch: Batch, jobs: list[Job]) -> "BatchJSON":
        """Represents a row with its jobs."""
        return cls(
            id=batch.id,
            state="running" if batch.ended_at is None else "ended",
            percent=batches.percent(jobs),
            tag=batch.tag,
            counts=batches.states(jobs),  # type: ignore[arg-type]  # checked by the model
            conversions=[_item(job) for job in jobs],
            created_at=moment(batch.created_at),
            ended_at=moment_or_none(batch.ended_at),
        )


class BatchPage(BaseModel):
    """Some batches, the newest first."""

    items: list[BatchJSON]
    next_cursor: NextCursor


@router.post("", status_code=202)
def create_batch(
    request: Request,
    response: Response,
    new: NewBatch,
    user: CurrentUser,
    services: CurrentServices,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> BatchJSON:
    """Queues several conversions: all of them, or none if one is refused.

    The same request with the same Idempotency-Key returns the batch that it created before.
    """
    if user.signed_in_by != "loopback":
        rates_of(request).count_more(request, "uploads", user.user_id, len(new.items))
    specs = [_spec(item, new, user, services) for item in new.items]
    webhook = validate_receiver(new.webhook, services)
    idempotency = Idempotency(idempotency_key, _sha256(new, specs)) if idempotency_key else None
    with services.database.write() as session:
        lock_user(session, user.user_id)
        batch = find_earlier(session, Batch, user.user_id, idempotency)
        if batch is None:
            batch = batches.create(session, user.user_id, tag=new.tag or None, webhook=webhook, idempotency=idempotency)
            submit_in_transaction(session, services, user.user_id, specs, batch_id=batch.id)
        represented = BatchJSON.of(batch, batches.jobs_of(session, batch.id))
    services.wake()
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/batches/{batch.id}"
    return represented


@router.get("")
def list_batches(
    user: CurrentUser, services: CurrentServices, limit: Annotated[int, Query(ge=1, le=20)] = 10, cursor: Cursor = None
) -> BatchPage:
    """Lists the batches, the newest first."""
    with services.database.read() as session:
        found = batches.list_page(session, user.user_id, before_id=cursor, limit=limit + 1)
        items = [BatchJSON.of(batch, batches.jobs_of(session, batch.id)) for batch in found[:limit]]
    return BatchPage(items=items, next_cursor=found[limit - 1].id if len(found) > limit else None)


@router.get("/{batch_id}")
def read_batch(batch_id: ItemId, user: CurrentUser, services: CurrentServices) -> BatchJSON:
    """Returns a batch and its progress."""
    with services.database.read() as session:
        batch = batches.find(session, batch_id, user.user_id)
        return BatchJSON.of(batch, batches.jobs_of(session, batch.id))


@router.delete(
    "/{batch_id}",
    responses={
        202: {"model": BatchJSON, "description": "Its conversions will be canceled within seconds."},
        204: {"description": "It had ended; it is deleted with its conversions and their MP3s."},
    },
)
def delete_batch(batch_id: ItemId, response: Response, user: CurrentUser, services: CurrentServices) -> Any:
    """Cancels the conversions that have not ended; if all have ended, deletes the batch with its conversions."""

    def delete(session: Session) -> list[str] | None:
        batch = batches.find(session, batch_id, user.user_id)
        return batches.delete(session, batch) if batch.ended_at is not None else None

    if delete_stored(services, delete):
        return Response(status_code=204)
    cancel_all(services.database, user.user_id, Job.batch_id == batch_id)
    response.status_code = 202
    return read_batch(batch_id, user, services)


@router.get("/{batch_id}/archive", response_class=Response, responses=ZIP_RESPONSES)
def download_batch_archive(
    request: Request, batch_id: ItemId, user: CurrentUser, services: CurrentServices
) -> Response:
    """Returns the finished MP3s as one ZIP: those of all conversions, if the batch has ended."""
    with services.database.read() as session:
        batch = batches.find(session, batch_id, user.user_id)
        found = batches.jobs_of(session, batch.id, with_reports=True)
    jobs = [job for job in found if job.state == "finished" and job.result_key]
    if not jobs:
        raise NotFinished("No conversion of the batch has an MP3 now.")
    return zip_response(request, jobs, services, f"{batch.tag or 'conversions'}.zip")


def _spec(item: NewItem, new: NewBatch, user: Principal, services: Services) -> JobSpec:
    shared = {"priority": new.priority, "email_notifications": new.email_notifications}
    own = {"upload_id": item.upload_id, "source": item.source, "tag": item.tag}
    one = ConversionRequest.model_validate({**shared, **own, "options": new.options | item.options})
    one.require_one_source()
    return job_spec(one, services, user.role, takes_cover=False)


def _sha256(new: NewBatch, specs: Sequence[JobSpec]) -> str:
    webhook = new.webhook and new.webhook.model_dump()
    parts = [*(spec.sha256() for spec in specs), new.tag, webhook]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _item(job: Job) -> BatchItemJSON:
    percent = 100 if job.state == "finished" else job.percent
    return BatchItemJSON(id=job.id, name=job.source_name, tag=job.tag, state=job.state, percent=percent)  # type: ignore[arg-type]  # checked by the model
