"""Previews of a split: the MP3s that a conversion would make, found without encoding."""

import json
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from video2mp3 import uploads
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.conversions.media_info import require_complete
from video2mp3.api.conversions.option_parsing import OPTIONS_SCHEMA, resolve
from video2mp3.api.fairness.fair_executor import FairExecutor
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.schemas import RequestBody
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.engine import Limits, PlannedSegment, ResolvedOptions, plan_split
from video2mp3.errors import InvalidOption

router = APIRouter(prefix="/v1/split-preview", tags=["uploads"], route_class=SmallBodyRoute)

# An hour of audio takes 2 to 6 s of one core.
_LIMITS = Limits(wall_clock_s=300.0, no_progress_s=20.0)
_PATIENCE_S = 120.0


class NewSplitPreview(RequestBody):
    """What to split, and how."""

    upload_id: ItemId = Field(description="From POST /v1/uploads.")
    options: dict[str, Any] = Field(
        json_schema_extra={**OPTIONS_SCHEMA, "description": "The options of the conversion, with `split`."}
    )


class SplitPreview(BaseModel):
    """The MP3s that the conversion would make, in order."""

    segments: list[PlannedSegment]


@router.post("")
async def preview_split(
    order: NewSplitPreview, request: Request, user: CurrentUser, services: CurrentServices
) -> SplitPreview:
    """Returns the MP3s that a conversion with the same options would make: where each begins, and its length.

    The audio is decoded for that, but not encoded, so the cuts are exact. No conversion is queued.
    """
    options = resolve(order.options)
    if options.split is None:
        raise InvalidOption("split: must say where to split.")
    await run_in_threadpool(require_complete, services, order.upload_id, user.user_id)
    executor: FairExecutor = request.app.state.split_previews
    work = partial(_preview, services, order.upload_id, options)
    key = (order.upload_id, json.dumps(order.options, sort_keys=True))
    return await executor.run(request, user.user_id, work, patience_s=_PATIENCE_S, key=key)


def new_executor() -> FairExecutor:
    """Returns the executor of previews: one per user at a time, so that other users need not wait."""
    return FairExecutor("split_previews", threads=2, per_user_queue=5, queue=100)


def _preview(services: Services, upload_id: str, options: ResolvedOptions) -> SplitPreview:
    source = uploads.UploadSource(services.database, services.storage, upload_id)
    return SplitPreview(segments=list(plan_split(source, options, limits=_LIMITS)))
