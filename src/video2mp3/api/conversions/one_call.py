"""Converts a video in one request, whose response is the MP3."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from video2mp3.api.auth.identity import CurrentUser, Principal
from video2mp3.api.conversions.downloads import MP3_RESPONSES, result_of
from video2mp3.api.conversions.events import get_watcher
from video2mp3.api.conversions.option_parsing import OPTION_PARAMETERS
from video2mp3.api.conversions.representations import error_of
from video2mp3.api.conversions.requests import job_spec, request_of_query
from video2mp3.api.conversions.submission import check_quotas, submit, submit_stored
from video2mp3.api.conversions.watcher import JobWatcher
from video2mp3.api.fairness.disconnects import wait_for_disconnect
from video2mp3.api.fairness.transfers import run_transfer
from video2mp3.api.frame.disposition import filename_of
from video2mp3.api.frame.range_response import serve
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.streaming import declared_size_bytes, receive_file
from video2mp3.api.uploads.early_start import EarlyStart
from video2mp3.api.uploads.incoming import IncomingUpload, RepeatedUpload
from video2mp3.api.uploads.routes import RAW_BODY, Name
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import Canceled, Conflict, IdempotencyKeyReused, NotFound, Unavailable
from video2mp3.jobs import lifecycle
from video2mp3.jobs.sources import JobSpec
from video2mp3.uploads import clean_name

router = APIRouter(prefix="/v1/mp3", tags=["conversions"])
log = structlog.get_logger()

# A client waits for this conversion, so its end is polled more often than that of others.
_INTERVAL_S = 0.2

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255)]

_COVER = {
    "name": "cover_upload_id",
    "in": "query",
    "required": False,
    "schema": {"type": "string", "description": "The picture for the front cover, from POST /v1/uploads."},
}
_DESCRIPTION: dict[str, Any] = {**RAW_BODY, "parameters": [*OPTION_PARAMETERS, _COVER]}


@router.put("", response_class=Response, responses=MP3_RESPONSES, openapi_extra=_DESCRIPTION)
async def convert_file(
    request: Request,
    user: CurrentUser,
    services: CurrentServices,
    watcher: Annotated[JobWatcher, Depends(get_watcher)],
    name: Name = "",
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Converts the body and answers with the MP3, or a ZIP where the options ask for several MP3s.

    If the client disconnects, the conversion is canceled. With an Idempotency-Key it goes on, and the same request with
    the same key answers with its MP3; the conversion then begins when the whole file is there.
    """
    name = name or filename_of(request.headers.get("content-disposition")) or ""
    return await _convert(request, services, user, watcher, name, idempotency_key)


@router.put("/{name:path}", response_class=Response, responses=MP3_RESPONSES, openapi_extra=_DESCRIPTION)
async def convert_named_file(
    request: Request,
    name: Annotated[str, Path(description="The file's name: `curl -T` appends it to an address that ends in `/`.")],
    user: CurrentUser,
    services: CurrentServices,
    watcher: Annotated[JobWatcher, Depends(get_watcher)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Converts the body and answers with the MP3, or a ZIP where the options ask for several MP3s.

    If the client disconnects, the conversion is canceled, unless the request has an Idempotency-Key.
    """
    return await _convert(request, services, user, watcher, name, idempotency_key)


async def _convert(
    request: Request, services: Services, user: Principal, watcher: JobWatcher, name: str, idempotency_key: str | None
) -> Response:
    wanted = request_of_query(request.query_params.multi_items())
    # The caller waits for the response and needs no email.
    spec = replace(job_spec(wanted, services, user.role), email_notifications=False)
    declared = declared_size_bytes(request, services.settings.max_upload_bytes)
    earlier = await run_in_threadpool(check_quotas, services, user.user_id, idempotency_key)
    if idempotency_key is not None:
        incoming = IncomingUpload(services, user.user_id, name=name, declared_size_bytes=declared, with_sha256=True)
        job = await _convert_once(request, services, incoming, spec, idempotency_key, earlier)
    else:
        requested = RequestedMp3(services, user.user_id, spec)
        incoming = IncomingUpload(services, user.user_id, name=name, declared_size_bytes=declared, observer=requested)
        await receive_file(request, incoming)
        assert requested.job is not None
        job = requested.job
        services.wake()
    if not await _ends_before_disconnect(request, watcher, job):
        if idempotency_key is None:
            await run_in_threadpool(_cancel, services, job)
        raise Canceled("The client disconnected.")
    return await run_transfer(partial(_answer, request, services, job))


async def _convert_once(
    request: Request,
    services: Services,
    incoming: IncomingUpload,
    spec: JobSpec,
    idempotency_key: str,
    earlier: Job | None,
) -> Job:
    """Returns the conversion of the body, or the `earlier` one that the same request created with its key."""
    if earlier is not None:
        sha256 = await receive_file(request, RepeatedUpload(services.settings.max_upload_bytes))
        if spec.sha256(clean_name(incoming.name), sha256) != earlier.request_sha256:
            raise IdempotencyKeyReused
        return earlier
    upload = await receive_file(request, incoming)
    return await submit_stored(services, incoming, upload, lambda: spec, idempotency_key)


class RequestedMp3:
    """The conversion of a body that still comes: requested with its first byte, begun as soon as that makes sense."""

    def __init__(self, services: Services, user_id: str, spec: JobSpec) -> None:
        self.job: Job | None = None
        self._services = services
        self._user_id = user_id
        self._spec = spec
        self._early_start: EarlyStart | None = None

    def on_start(self, upload: Upload) -> None:
        """Submits it. Raises what `submit` does."""
        self.job = submit(self._services, self._user_id, replace(self._spec, upload_id=upload.id))
        self._early_start = EarlyStart(self._services, upload)

    def on_progress(self, here_bytes: int) -> None:
        """Begins it, when it is time; raises the error that it has ended with, so that the rest need not be sent."""
        assert self.job is not None
        assert self._early_start is not None
        if self._early_start.consider(here_bytes):
            with self._services.database.read() as session:
                job = lifecycle.find(session, self.job.id, self._user_id)
            if job.state in ("failed", "canceled"):
                raise error_of(job)

    def on_abort(self) -> None:
        """Cancels it; where no worker has had it, nothing stays of it."""
        if self.job is None:
            return
        with suppress(NotFound, Unavailable):
            _cancel(self._services, self.job)
            with self._services.database.write() as session:
                if lifecycle.find(session, self.job.id, self._user_id).started_at is None:
                    lifecycle.delete(session, self.job.id, self._user_id)


def _answer(request: Request, services: Services, job: Job) -> Response:
    with services.database.read() as session:
        job = lifecycle.find(session, job.id, job.user_id)
    return serve(
        request,
        result_of(job, services),
        {"Content-Location": f"{request.scope.get('root_path', '')}/v1/conversions/{job.id}/mp3"},
    )


async def _ends_before_disconnect(request: Request, watcher: JobWatcher, job: Job) -> bool:
    """Waits for the job's end, or until the client disconnects; returns whether the job has ended."""
    ended = asyncio.create_task(watcher.wait_for_end(job, _INTERVAL_S))
    gone = asyncio.create_task(wait_for_disconnect(request))
    try:
        await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
        return ended.done()
    finally:
        ended.cancel()
        gone.cancel()
        await asyncio.gather(ended, gone, return_exceptions=True)


def _cancel(services: Services, job: Job) -> None:
    try:
        with services.database.write() as session:
            lifecycle.cancel(session, job.id, job.user_id)
    except Conflict:
        # It ended in this very moment.
        return
    log.info("job_canceled", job_id=job.id, reason="client_disconnected")
