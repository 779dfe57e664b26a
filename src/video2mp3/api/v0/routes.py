"""The v0 API's calls for videos and MP3s, with its response formats."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from video2mp3 import uploads
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.conversions.downloads import MP3_RESPONSES, SOURCE_RESPONSES, find_job, original_of, result_of
from video2mp3.api.conversions.routes import FORM_BODY, convert_form
from video2mp3.api.fairness.transfers import in_transfer_thread
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.range_response import serve
from video2mp3.api.frame.services import CurrentServices

router = APIRouter(tags=["v0"])


class StoredVideo(BaseModel):
    """A stored video whose conversion is queued."""

    video_id: str


class StartedConversion(BaseModel):
    """A queued conversion."""

    msg: str
    video_fid: str
    mp3_fid: str


@router.post("/upload_video", openapi_extra=FORM_BODY)
async def upload_video(request: Request, user: CurrentUser, services: CurrentServices) -> StoredVideo:
    """Stores a video and queues its conversion."""
    job = await convert_form(request, services, user)
    return StoredVideo(video_id=job.upload_id or "")


@router.get("/download_video/{video_id}", response_class=Response, responses=SOURCE_RESPONSES)
@in_transfer_thread
def download_video(request: Request, video_id: ItemId, user: CurrentUser, services: CurrentServices) -> Response:
    """Returns the video as it was uploaded."""
    with services.database.read() as session:
        video = uploads.find(session, video_id, user.user_id)
    return serve(request, original_of(video, services))


@router.post("/upload", openapi_extra=FORM_BODY)
async def upload(request: Request, user: CurrentUser, services: CurrentServices) -> StartedConversion:
    """Stores a video and queues its conversion."""
    job = await convert_form(request, services, user)
    return StartedConversion(msg="success!", video_fid=job.upload_id or "", mp3_fid=job.id)


@router.get("/download", response_class=Response, responses=MP3_RESPONSES)
@in_transfer_thread
def download(
    request: Request,
    user: CurrentUser,
    services: CurrentServices,
    fid: Annotated[ItemId, Query(description="The `mp3_fid` of POST /upload.")],
) -> Response:
    """Returns the MP3 of a finished conversion."""
    return serve(request, result_of(find_job(services, fid, user.user_id), services))
