"""What the service sends to webhooks, as OpenAPI's section `webhooks` describes it; `notify/webhook.py` composes it."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from video2mp3.api.description.openapi import operation_id
from video2mp3.outbox.webhooks import Event

router = APIRouter(responses={"4XX": {}, "5XX": {}}, generate_unique_id_function=operation_id)


class EventSource(BaseModel):
    """The file that was converted."""

    name: str
    size_bytes: int


class EventResult(BaseModel):
    """The MP3, or the ZIP of several."""

    media_type: Literal["audio/mpeg", "application/zip"]
    size_bytes: int
    sha256: str
    duration_s: float | None
    url: str = Field(description="Downloads the result without sign-in, until the conversion is deleted.")


class EventError(BaseModel):
    """Why the conversion failed."""

    code: str
    detail: str


class EndedConversion(BaseModel):
    """A conversion that has ended."""

    id: str
    state: Literal["finished", "failed", "canceled"]
    tag: str | None
    source: EventSource
    created_at: datetime
    ended_at: datetime
    result: EventResult | None = Field(None, description="If it is finished.")
    error: EventError | None = Field(None, description="If it failed.")


class ConversionEvent(BaseModel):
    """The end of a conversion."""

    type: Event
    timestamp: datetime
    data: EndedConversion


class BatchConversion(BaseModel):
    """A conversion of the batch."""

    id: str
    tag: str | None
    state: str


class EndedBatch(BaseModel):
    """A batch that has ended."""

    id: str
    tag: str | None
    counts: dict[str, int] = Field(description="The number of conversions by their state.")
    conversions: list[BatchConversion]
    created_at: datetime
    ended_at: datetime


class BatchEvent(BaseModel):
    """The end of a batch."""

    type: Literal["batch.ended"]
    timestamp: datetime
    data: EndedBatch


@router.post("conversionEnded")
def conversion_ended(body: ConversionEvent) -> None:
    """A conversion has ended: it is finished, failed or canceled."""


@router.post("batchEnded")
def batch_ended(body: BatchEvent) -> None:
    """All conversions of a batch have ended."""
