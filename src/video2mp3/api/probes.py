"""What is in an upload, before it is converted."""

import threading
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from video2mp3 import uploads
from video2mp3.api.identity import CurrentUser
from video2mp3.api.options import OPTIONS_SCHEMA, options_from_json
from video2mp3.api.parameters import ItemId
from video2mp3.api.services import CurrentServices
from video2mp3.api.small_bodies import SmallBodyRoute
from video2mp3.engine import Limits, Options, Probe, probe
from video2mp3.errors import TooBusy, WrongState

router = APIRouter(prefix="/v1/probe", tags=["uploads"], route_class=SmallBodyRoute)

_LIMITS = Limits(wall_clock_s=20.0, no_progress_s=20.0)
_AT_ONCE = 4
_PATIENCE_S = 10.0
_slots = threading.BoundedSemaphore(_AT_ONCE)


class NewProbe(BaseModel):
    """What is to be looked into."""

    model_config = ConfigDict(extra="forbid")

    upload_id: ItemId = Field(description="From POST /v1/uploads.")
    options: dict[str, Any] = Field(
        default_factory=dict, json_schema_extra={**OPTIONS_SCHEMA, "description": "Options that the estimates are for."}
    )


@router.post("")
def probe_upload(order: NewProbe, user: CurrentUser, services: CurrentServices) -> Probe:
    """Tells an upload's tracks, languages and chapters, and how large and how soon its MP3 would be.

    It is answered at once; nothing is queued. What is not media is the problem `not_media`.
    """
    options = Options.from_dict(options_from_json(order.options))
    with services.database.read() as session:
        upload = uploads.find(session, order.upload_id, user.user_id)
        if upload.state != "complete":
            raise WrongState("The upload is not complete yet.")
    source = uploads.UploadSource(services.database, services.storage, order.upload_id)
    if not _slots.acquire(timeout=_PATIENCE_S):
        raise TooBusy("Too many files are being looked into at once; try again in a few seconds.")
    try:
        return probe(source, options, limits=_LIMITS)
    finally:
        _slots.release()
