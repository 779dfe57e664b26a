"""Media info: the contents of an upload, before it is converted."""

import json
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from video2mp3 import uploads
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.conversions.option_parsing import OPTIONS_SCHEMA, resolve
from video2mp3.api.fairness.fair_executor import FairExecutor
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.schemas import RequestBody
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.engine import Limits, Probe, ResolvedOptions, probe
from video2mp3.errors import Conflict

router = APIRouter(prefix="/v1/probe", tags=["uploads"], route_class=SmallBodyRoute)

_LIMITS = Limits(wall_clock_s=20.0, no_progress_s=20.0)
_PATIENCE_S = 30.0


class NewProbe(RequestBody):
    """The upload to inspect."""

    upload_id: ItemId = Field(description="From POST /v1/uploads.")
    options: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra={**OPTIONS_SCHEMA, "description": "Options that the estimates are for."}
    )


@router.post("")
async def probe_upload(order: NewProbe, request: Request, user: CurrentUser, services: CurrentServices) -> Probe:
    """Returns an upload's tracks, languages and chapters, with estimates of its MP3's size and of the time it takes.

    The response comes at once; no conversion is queued. A file that is not media gets `unsupported_format`.
    """
    options = resolve(order.options)
    await run_in_threadpool(require_complete, services, order.upload_id, user.user_id)
    executor: FairExecutor = request.app.state.probes
    work = partial(_probe, services, order.upload_id, options)
    key = (order.upload_id, json.dumps(order.options, sort_keys=True))
    return await executor.run(request, user.user_id, work, patience_s=_PATIENCE_S, key=key)


def new_executor() -> FairExecutor:
    """Returns the executor of probes: one file per user at a time, so that other users need not wait."""
    return FairExecutor("probes", threads=2, per_user_queue=50, queue=500)


def require_complete(services: Services, upload_id: str, user_id: str) -> None:
    """Raises Conflict, NotFound or UploadDeleted unless all bytes of the upload are there."""
    with services.database.read() as session:
        if uploads.find(session, upload_id, user_id).state != "complete":
            raise Conflict("The upload is not complete yet.")


def _probe(services: Services, upload_id: str, options: ResolvedOptions) -> Probe:
    source = uploads.UploadSource(services.database, services.storage, upload_id)
    return probe(source, options, limits=_LIMITS)
