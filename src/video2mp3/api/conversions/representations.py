"""JSON models of conversions."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from video2mp3.api.conversions.results import ResultJSON
from video2mp3.api.frame.schemas import NextCursor, moment, moment_or_none
from video2mp3.database.tables import Job
from video2mp3.errors import Video2mp3Error
from video2mp3.jobs.lifecycle import PRIORITIES, Priority
from video2mp3.outbound import redacted

State = Literal["waiting", "queued", "processing", "finished", "failed", "canceled"]


class SourceJSON(BaseModel):
    """What is converted."""

    name: str
    size_bytes: int
    duration_s: float | None
    upload_id: str | None = Field(description="null when the upload was deleted, has expired or is yet to be fetched.")
    url: str | None = Field(description="Where it is fetched from, without its query.")


class ErrorJSON(BaseModel):
    """Why a conversion failed."""

    code: str
    detail: str
    retryable: bool


class LinksJSON(BaseModel):
    """URLs of a conversion's resources."""

    self: str
    events: str
    mp3: str
    waveform: str
    source: str
    report: str
    links: str
    retry: str


class ConversionJSON(BaseModel):
    """A conversion."""

    id: str
    state: State
    blocked_reason: str | None = Field(
        description="Why it cannot start before its whole file is there (docs/errors.md)."
    )
    percent: int = Field(ge=0, le=100)
    priority: Priority
    tag: str | None
    batch_id: str | None = Field(description="The batch that it belongs to.")
    email_notifications: bool = Field(description="Whether an email is sent at its end.")
    source: SourceJSON
    cover_upload_id: str | None = Field(description="The upload that is the front cover.")
    result_url: str | None = Field(description="Where the result is sent, without its query.")
    options: dict[str, Any] = Field(description="The options of the request; the others have their defaults.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None
    result: ResultJSON | None
    error: ErrorJSON | None
    links: LinksJSON

    @classmethod
    def of(cls, job: Job, root_path: str = "") -> "ConversionJSON":
        """Represents a row; `root_path` is the service's path prefix."""
        path = f"{root_path}/v1/conversions/{job.id}"
        return cls(
            id=job.id,
            state=job.state,  # type: ignore[arg-type]  # checked by the model
            blocked_reason=job.blocked_reason if job.state == "waiting" else None,
            percent=100 if job.state == "finished" else job.percent,
            priority=PRIORITIES[job.priority],
            tag=job.tag,
            batch_id=job.batch_id,
            email_notifications=job.email_notifications,
            source=SourceJSON(
                name=job.source_name,
                size_bytes=job.source_size_bytes,
                duration_s=job.source_duration_s,
                upload_id=job.upload_id,
                url=redacted(job.source_url) if job.source_url else None,
            ),
            cover_upload_id=job.cover_upload_id,
            result_url=redacted(job.result_url) if job.result_url else None,
            options=job.options.requested(),
            created_at=moment(job.created_at),
            started_at=moment_or_none(job.started_at),
            ended_at=moment_or_none(job.ended_at),
            expires_at=moment_or_none(job.expires_at),
            result=ResultJSON.of(job, f"{path}/mp3"),
            error=error_json(job),
            links=LinksJSON(
                self=path,
                events=f"{path}/events",
                mp3=f"{path}/mp3",
                waveform=f"{path}/waveform",
                source=f"{path}/source",
                report=f"{path}/report",
                links=f"{path}/links",
                retry=f"{path}/retry",
            ),
        )


class ConversionPage(BaseModel):
    """Some conversions, the newest first."""

    items: list[ConversionJSON]
    next_cursor: NextCursor


def error_of(job: Job) -> Video2mp3Error:
    """Returns the error that ended a failed or canceled job."""
    return error_class(job.error_code or ("canceled" if job.state == "canceled" else "internal_error"))(
        job.error_detail
    )


def error_class(code: str) -> type[Video2mp3Error]:
    """Returns the class of an error's code."""
    waiting: list[type[Video2mp3Error]] = [Video2mp3Error]
    while waiting:
        candidate = waiting.pop()
        if candidate.code == code:
            return candidate
        waiting += candidate.__subclasses__()
    return Video2mp3Error


def error_json(job: Job) -> ErrorJSON | None:
    """Returns why a job failed; None if it did not."""
    if job.state != "failed":
        return None
    error = error_of(job)
    return ErrorJSON(code=error.code, detail=error.detail, retryable=error.retryable)
