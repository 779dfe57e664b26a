"""A result's waveform: recorded with the MP3 or measured at the first request, and kept with the conversion."""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool

from video2mp3 import engine
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.conversions.downloads import Segment, find_job, result_of, segment_of
from video2mp3.api.fairness.fair_executor import FairExecutor
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.range_response import Download
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.database.tables import Job, Waveform
from video2mp3.engine.report import LOUDEST
from video2mp3.errors import InvalidRequest
from video2mp3.jobs.results import segments_of
from video2mp3.jobs.waveforms import row

router = APIRouter(prefix="/v1/conversions", tags=["conversions"])

# An hour of MP3 takes 6 s of one core.
_LIMITS = engine.Limits(wall_clock_s=300.0, no_progress_s=20.0)
_PATIENCE_S = 60.0

Format = Literal["json", "svg"]
_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}}}


class WaveformJSON(BaseModel):
    """The peaks of an MP3 over time."""

    duration_s: float
    step_s: float = Field(description="The time from one peak to the next.")
    peaks: list[float] = Field(description="The highest of each step, from 0 to 1 (full scale): at most 2000.")


@router.get("/{conversion_id}/waveform", response_model=WaveformJSON, responses=_RESPONSES)
async def read_waveform(
    request: Request,
    conversion_id: ItemId,
    user: CurrentUser,
    services: CurrentServices,
    segment: Segment = None,
    format_: Annotated[Format, Query(alias="format", description="`svg`: a picture, 1000 points wide.")] = "json",
) -> Any:
    """Returns the waveform of the MP3 as numbers, or as a picture.

    It is recorded with the MP3. If the MP3 was copied from the source instead of encoded, it is decoded at the first
    request for the waveform, which takes some seconds for each hour of audio.
    """
    job = await run_in_threadpool(find_job, services, conversion_id, user.user_id)
    return await waveform_response(request, services, job, segment, user.user_id, format_)


async def waveform_response(
    request: Request, services: Services, job: Job, segment: int | None, caller: str, format_: Format = "json"
) -> Response:
    """Returns the waveform of a job's MP3; if it has to be measured, that takes the caller's turn.

    Callers share no measurement: nobody waits in the queue of another.

    Raises:
        InvalidRequest: when it is one of several, and which is not said.
        Video2mp3Error: as `result_of` and `segment_of`, where there is no waveform.
    """
    waveform = await run_in_threadpool(_find, services, job, segment)
    if waveform is None:
        executor: FairExecutor = request.app.state.waveforms
        work = partial(_measure, services, job, segment)
        key = (caller, job.id, segment or 0)
        waveform = await executor.run(request, caller, work, patience_s=_PATIENCE_S, key=key)
    if format_ == "svg":
        return Response(_svg(waveform), media_type="image/svg+xml", headers=_HEADERS)
    return Response(_json(waveform), media_type="application/json", headers=_HEADERS)


def new_executor() -> FairExecutor:
    """Returns the executor that measures waveforms: one per user and one of the visitors of that user's links at a
    time, so that other users need not wait.
    """
    return FairExecutor("waveforms", threads=3, per_user_queue=20, queue=200)


_HEADERS = {"Cache-Control": "private, max-age=3600"}


def _find(services: Services, job: Job, segment: int | None) -> Waveform | None:
    """Returns the waveform, where there is one. Raises as `waveform_response`."""
    with services.database.read() as session:
        waveform = session.get(Waveform, (job.id, segment or 0))
    if waveform is None:
        _download(services, job, segment)
    return waveform


def _download(services: Services, job: Job, segment: int | None) -> Download:
    if segment is not None:
        return segment_of(job, segment, services)
    download = result_of(job, services)
    if segments_of(job):
        raise InvalidRequest("segment: the conversion made several MP3s; say which.")
    return download


def _measure(services: Services, job: Job, segment: int | None) -> Waveform:
    """Decodes the MP3 in the sandbox and stores its waveform."""
    with services.database.read() as session:
        known = session.get(Waveform, (job.id, segment or 0))
    if known is not None:  # another process was faster while this task was queued
        return known
    found = engine.waveform(_Mp3(_download(services, job, segment)), limits=_LIMITS)
    waveform = row(job.id, segment or 0, found)
    try:
        with services.database.write() as session:
            session.add(waveform)
    except IntegrityError:
        pass  # another request was faster, or the conversion was deleted
    return waveform


class _Mp3:
    """A stored MP3 as a source of the engine."""

    def __init__(self, download: Download) -> None:
        self.name = download.name
        self.size_bytes = download.size_bytes
        self._stream = download.stream

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        return b"".join(self._stream(offset_bytes, min(offset_bytes + size_bytes, self.size_bytes)))


def _json(waveform: Waveform) -> str:
    peaks = [round(peak / LOUDEST, 3) for peak in waveform.peaks]
    return WaveformJSON(duration_s=waveform.duration_s, step_s=waveform.step_s, peaks=peaks).model_dump_json()


def _svg(waveform: Waveform) -> str:
    """Draws the peaks symmetrically above and below the middle."""
    width = len(waveform.peaks)
    above = " ".join(f"{x},{LOUDEST - peak}" for x, peak in enumerate(waveform.peaks))
    below = " ".join(f"{x},{LOUDEST + peak}" for x, peak in reversed(list(enumerate(waveform.peaks))))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {2 * LOUDEST}" preserveAspectRatio="none">'
        f'<polygon fill="currentColor" points="{above} {below}"/></svg>'
    )
