"""Several results as one ZIP, which is created while it is sent and never stored."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.conversions.downloads import result_of, stored_result
from video2mp3.api.fairness.transfers import iterate
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.database.clock import SECOND
from video2mp3.database.tables import Job
from video2mp3.jobs import lifecycle
from video2mp3.jobs.results import member_name, segments_of
from video2mp3.storage.attachment import attachment
from video2mp3.storage.zips import Member, zip_size_bytes, zip_stream

router = APIRouter(prefix="/v1/conversions", tags=["conversions"])

MAX_RESULTS = 100
ZIP_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The ZIP.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    },
}
"""OpenAPI's description of an answer that is a ZIP."""


@router.get("/archive", response_class=Response, responses=ZIP_RESPONSES)
def download_archive(
    request: Request,
    conversion_ids: Annotated[
        list[ItemId], Query(alias="id", min_length=1, max_length=MAX_RESULTS, description="Again for each conversion.")
    ],
    user: CurrentUser,
    services: CurrentServices,
) -> Response:
    """Returns the MP3s of several conversions as one ZIP; the MP3s of results that are ZIPs are separate members."""
    with services.database.read() as session:
        jobs = [lifecycle.find(session, job_id, user.user_id) for job_id in dict.fromkeys(conversion_ids)]
    return zip_response(request, jobs, services, "conversions.zip")


def zip_response(request: Request, jobs: Sequence[Job], services: Services, name: str) -> Response:
    """Answers with the MP3s of these jobs in one ZIP of that name, with its Content-Length.

    Raises:
        Video2mp3Error: as `result_of`, for the first job without a result.
    """
    members = _members(jobs, services)
    headers = {
        "Content-Length": str(zip_size_bytes(members)),
        "Content-Disposition": attachment(name),
        "Cache-Control": "private, no-store",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type="application/zip")
    return StreamingResponse(iterate(zip_stream(members)), headers=headers, media_type="application/zip")


def _members(jobs: Sequence[Job], services: Services) -> list[Member]:
    members: list[Member] = []
    taken: set[str] = set()
    for job in jobs:
        for name, size_bytes, stream in _files_of(job, services):
            free = _free_name(name, taken)
            taken.add(free.casefold())
            members.append(Member(free, size_bytes, (job.ended_at or 0) / SECOND, stream))
    return members


def _files_of(job: Job, services: Services) -> Iterator[tuple[str, int, Any]]:
    """Yields name, size and stream of each MP3 of a job."""
    whole = result_of(job, services)
    stored = stored_result(job, services)
    segments = segments_of(job)
    if not segments:
        yield member_name(job.source_name), whole.size_bytes, partial(stored.stream, 0, whole.size_bytes)
    for segment in segments:
        span = (segment.offset_bytes, segment.offset_bytes + segment.size_bytes)
        yield segment.name, segment.size_bytes, partial(stored.stream, *span)


def _free_name(name: str, taken: set[str]) -> str:
    """Returns the name, with a number if another file has the same name in any case."""
    stem, candidate, number = name.removesuffix(".mp3"), name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{stem} ({number}).mp3"
    return candidate
