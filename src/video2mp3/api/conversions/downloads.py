"""Results and originals as downloads."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.conversions.representations import error_of
from video2mp3.api.fairness.transfers import in_transfer_thread
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.range_response import Download, serve
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.database.tables import Job, Upload
from video2mp3.engine.options import MAX_SEGMENTS
from video2mp3.errors import Conflict, Expired, NotFinished, NotFound, StorageUnavailable, UploadDeleted, Video2mp3Error
from video2mp3.jobs import lifecycle
from video2mp3.jobs.results import StoredResult, chosen_name, media_type, result_name, result_suffix, segments_of
from video2mp3.uploads import UploadSource, clean_name

router = APIRouter(prefix="/v1/conversions/{conversion_id}", tags=["conversions"])

# The download has to start within this time.
_SIGNED_FOR_S = 300
MP3_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The MP3; where the options ask for several (`split`, `track=all`), a ZIP of them.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("audio/mpeg", "application/zip")
        },
    },
}
"""OpenAPI's description of an answer that is a result."""
RANGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    **MP3_RESPONSES,
    206: {**MP3_RESPONSES[200], "description": "The requested range."},
    304: {"description": "The client has the current version."},
    307: {"description": "A redirect to the object store, if the service is configured for that."},
}
"""The same for routes that support ranges and conditions."""
SOURCE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
}
"""OpenAPI's description of an answer that is a file as it was uploaded."""
Name = Annotated[
    str | None,
    Query(min_length=1, max_length=255, description="The name to download it under; the suffix is added if missing."),
]
Segment = Annotated[int | None, Query(ge=1, le=MAX_SEGMENTS, description="One MP3 of several: its number, from 1 on.")]


@router.head("/mp3", response_class=Response, include_in_schema=False)
@router.get("/mp3", response_class=Response, responses=RANGE_RESPONSES)
@in_transfer_thread
def download_mp3(
    request: Request,
    conversion_id: ItemId,
    user: CurrentUser,
    services: CurrentServices,
    segment: Segment = None,
    name: Name = None,
) -> Response:
    """Returns the MP3 of a finished conversion. Takes Range and If-None-Match; the ETag is its SHA-256.

    Of a conversion that makes several, it is a ZIP; each MP3 alone is there as a `segment`.
    """
    return serve_result(request, services, find_job(services, conversion_id, user.user_id), segment, name)


@router.get("/source", response_class=Response, responses=SOURCE_RESPONSES)
@in_transfer_thread
def download_source(request: Request, conversion_id: ItemId, user: CurrentUser, services: CurrentServices) -> Response:
    """Returns the file that is converted, as it was uploaded. Takes Range and If-None-Match."""
    with services.database.read() as session:
        job = lifecycle.find(session, conversion_id, user.user_id)
        upload = session.get(Upload, job.upload_id) if job.upload_id else None
    if upload is None:
        raise UploadDeleted("The file was deleted or has expired.")
    return serve(request, original_of(upload, services))


@router.get("/report")
def read_report(conversion_id: ItemId, user: CurrentUser, services: CurrentServices) -> dict[str, Any]:
    """Returns the report of a finished conversion: what was found, decoded, damaged and written."""
    job = find_job(services, conversion_id, user.user_id)
    if job.state != "finished":
        raise why_no_mp3(job)
    return job.report or {}


def find_job(services: Services, conversion_id: str, user_id: str) -> Job:
    """Returns the user's conversion; blocking. Raises NotFound."""
    with services.database.read() as session:
        return lifecycle.find(session, conversion_id, user_id)


def serve_result(
    request: Request, services: Services, job: Job, segment: int | None, name: str | None = None
) -> Response:
    """Answers with the job's MP3, with the ZIP of several, or with one segment of that; blocking.

    Where the settings say so, the client is sent to the storage for it: not for a segment, whose bytes lie in the ZIP,
    nor under a name that the client chose, as the storage has the name from the start.

    Raises:
        Video2mp3Error: as `result_of` and `segment_of`.
    """
    if segment is not None:
        return serve(request, _renamed(segment_of(job, segment, services), name, ".mp3"))
    download = _renamed(result_of(job, services), name, result_suffix(job.options))
    if name is None and services.settings.redirect_downloads and request.method == "GET":
        address = services.storage.signed_url(_stored(job)[0], _SIGNED_FOR_S)
        if address is not None:
            return RedirectResponse(address, 307, {"Cache-Control": "no-store"})
    return serve(request, download)


def _renamed(download: Download, name: str | None, suffix: str) -> Download:
    return download if name is None else replace(download, name=chosen_name(clean_name(name, "audio"), suffix))


def redirect_origin(services: Services) -> str | None:
    """Returns the origin that downloads are redirected to; None if they are not, or if no URL can be signed now."""
    if not services.settings.redirect_downloads:
        return None
    with suppress(StorageUnavailable):
        return services.storage.public_origin()
    return None


def result_of(job: Job, services: Services) -> Download:
    """Returns the job's MP3, or the ZIP of several.

    Raises:
        NotFinished: when there is none yet.
        Expired: when it has expired.
        Video2mp3Error: the one that ended the job, when it was not finished.
    """
    _, size_bytes = _stored(job)
    name, kind = result_name(job.source_name, job.options), media_type(job.options)
    return Download(name, kind, size_bytes, f'"{job.result_sha256}"', stored_result(job, services).stream)


def segment_of(job: Job, number: int, services: Services) -> Download:
    """Returns one MP3 of several, out of the ZIP.

    Raises:
        NotFound: when there is none of that number.
        Video2mp3Error: as `result_of`.
    """
    _stored(job)
    segments = segments_of(job)
    segment = next((segment for segment in segments if segment.number == number), None)
    if segment is None:
        made = f"{len(segments)} segments" if segments else "one MP3, without segments"
        raise NotFound(f"There is no segment {number}: the conversion made {made}.")

    stored = stored_result(job, services)

    def stream(start: int, end: int) -> Iterator[bytes]:
        return stored.stream(segment.offset_bytes + start, segment.offset_bytes + end)

    return Download(segment.name, "audio/mpeg", segment.size_bytes, f'"{segment.sha256}"', stream)


def _stored(job: Job) -> tuple[str, int]:
    """Returns the key and the size of a job's result."""
    if job.state != "finished" or job.result_key is None or job.result_size_bytes is None:
        raise why_no_mp3(job)
    return job.result_key, job.result_size_bytes


def stored_result(job: Job, services: Services) -> StoredResult:
    """Returns the bytes of a job's result; reads nothing yet."""
    return StoredResult(services.database, services.storage, job.id)


def original_of(upload: Upload, services: Services) -> Download:
    """Returns the uploaded file with a type that no browser displays.

    Raises:
        Conflict: when it is not complete.
    """
    if upload.state != "complete":
        raise Conflict("The upload is not complete.")
    source = UploadSource(services.database, services.storage, upload.id)
    return Download(source.name, "application/octet-stream", source.size_bytes, f'"{upload.id}"', source.stream)


def why_no_mp3(job: Job) -> Video2mp3Error:
    """Returns the error that explains why the job has no MP3."""
    if job.state == "finished":
        return Expired()
    if job.state not in ("failed", "canceled"):
        return NotFinished()
    error = error_of(job)
    if error.status >= 500:
        # The conversion failed some time ago; the service is not unavailable now.
        error.status = Conflict.status
    return error
