"""Progress as Server-Sent Events (HTML Living Standard, §9.2)."""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from video2mp3.api.auth.identity import CurrentUser, is_still_signed_in
from video2mp3.api.conversions.downloads import find_job
from video2mp3.api.conversions.event_streams import EventStreams
from video2mp3.api.conversions.representations import error_class
from video2mp3.api.conversions.watcher import JobStatus, JobWatcher, status_of
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.problems import problem_response
from video2mp3.api.frame.services import CurrentServices
from video2mp3.errors import Overloaded, TooManyEventStreams
from video2mp3.telemetry import metrics

router = APIRouter(prefix="/v1/conversions", tags=["conversions"])

_HEARTBEAT_S = 15.0
_Change = TypeVar("_Change")


def get_watcher(request: Request, services: CurrentServices) -> JobWatcher:
    """Returns the watcher of this application."""
    state = request.app.state
    if not hasattr(state, "watcher"):
        state.watcher = JobWatcher(services.database)
    watcher: JobWatcher = state.watcher
    return watcher


def end_streams(app: FastAPI) -> None:
    """Ends all event streams, which would delay a shutdown otherwise; their clients reconnect.

    Call it in the event loop when the server begins to shut down.
    """
    watcher: JobWatcher | None = getattr(app.state, "watcher", None)
    if watcher is not None:
        watcher.close()


# Of each event, as it is described where a stream of them is.
_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {"id": {"type": "string"}, "data": {"type": "string", "contentMediaType": "application/json"}},
}


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"description": "The events.", "content": {"text/event-stream": {"schema": _EVENT}}}},
)
async def follow_conversions(
    user: CurrentUser, services: CurrentServices, watcher: Annotated[JobWatcher, Depends(get_watcher)]
) -> Response:
    """Sends the events of all the caller's conversions, also of those that are created later.

    At once it sends an event for each conversion that has not ended or ended within the last minute, so a client that
    reconnects within a minute misses no end. An event of the type `deleted` has only the `id`. The stream does not
    end by itself.
    """
    changes = watcher.changes_of_user(user.user_id, heartbeat_s=_HEARTBEAT_S)
    is_allowed = partial(is_still_signed_in, services, user)
    return _CountedStream(_events(changes, _user_events, watcher, is_allowed), user.user_id)


@router.get(
    "/{conversion_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The events.", "content": {"text/event-stream": {"schema": _EVENT}}},
        204: {"description": "The client has received the last event."},
    },
)
async def follow_conversion(
    conversion_id: ItemId,
    user: CurrentUser,
    services: CurrentServices,
    watcher: Annotated[JobWatcher, Depends(get_watcher)],
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Sends an event at once and at each change: `state`, `percent`, `done_s`, `speed`, `eta_s`, `error`.

    The stream ends after the last state.
    """
    job = await run_in_threadpool(find_job, services, conversion_id, user.user_id)
    status = status_of(job)
    if status.ended and last_event_id == _event_id(status):
        # An EventSource reconnects after every end; this status stops it.
        return Response(status_code=204)
    changes = watcher.changes(job, heartbeat_s=_HEARTBEAT_S)
    is_allowed = partial(is_still_signed_in, services, user)
    return _CountedStream(_events(changes, partial(_event, job.id), watcher, is_allowed), user.user_id)


class _CountedStream(StreamingResponse):
    """A stream of events that counts among its user's from its first byte to its last."""

    def __init__(self, events: AsyncIterator[str], user_id: str) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._user_id = user_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the events, or the problem that there are too many streams; then it closes the connection."""
        streams: EventStreams = scope["app"].state.event_streams
        try:
            with streams.one_more(self._user_id), metrics.EVENT_STREAMS.track_inprogress():
                await super().__call__(scope, receive, send)
        except (TooManyEventStreams, Overloaded) as error:
            problem = problem_response(Request(scope), error, headers={"Connection": "close"})
            await problem(scope, receive, send)


async def _events(
    changes: AsyncIterator[_Change | None],
    text: Callable[[_Change], str],
    watcher: JobWatcher,
    is_allowed: Callable[[], bool],
) -> AsyncIterator[str]:
    asked_at_s = time.monotonic()
    async for change in changes:
        # At each heartbeat, so within a minute: otherwise a stream could outlive its session by hours.
        if time.monotonic() - asked_at_s >= _HEARTBEAT_S:
            if not await run_in_threadpool(is_allowed):
                return
            asked_at_s = time.monotonic()
        yield ": still here\n\n" if change is None else text(change)
        if watcher.closed:
            return


def _user_events(statuses: Mapping[str, JobStatus | None]) -> str:
    return "".join(
        f"event: deleted\ndata: {json.dumps({'id': job_id})}\n\n" if status is None else _data(job_id, status)
        for job_id, status in statuses.items()
    )


def _event(job_id: str, status: JobStatus) -> str:
    return f"id: {_event_id(status)}\n{_data(job_id, status)}"


def _data(job_id: str, status: JobStatus) -> str:
    error = error_class(status.error_code) if status.error_code and status.state == "failed" else None
    data = {
        "id": job_id,
        "state": status.state,
        "percent": status.percent,
        "done_s": round(status.done_s, 3),
        "speed": round(status.done_s / status.elapsed_s, 2) if status.elapsed_s > 0 else None,
        "eta_s": _eta_s(status),
        "error": error and {"code": error.code, "retryable": error.retryable},
    }
    return f"data: {json.dumps(data)}\n\n"


def _event_id(status: JobStatus) -> str:
    return f"{status.state}-{status.percent}"


def _eta_s(status: JobStatus) -> float | None:
    if status.state != "processing" or not status.percent:
        return None
    return round(status.elapsed_s * (100 - status.percent) / status.percent, 1)
