"""Uploads: a client sends a file once and refers to it by its id."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from video2mp3 import uploads
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.frame.disposition import filename_of
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.services import CurrentServices
from video2mp3.api.frame.stored_objects import delete_stored
from video2mp3.api.frame.streaming import declared_size_bytes, receive_file
from video2mp3.api.uploads.incoming import IncomingUpload
from video2mp3.api.uploads.representations import UploadJSON
from video2mp3.api.uploads.tus_routes import create_resumable
from video2mp3.errors import UnsupportedMediaType

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])

RAW_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
"""OpenAPI's description of a body that is the file itself."""

Name = Annotated[str, Query(description="The file's name; a Content-Disposition header is an alternative.")]


@router.post(
    "", status_code=201, openapi_extra=RAW_BODY, responses={201: {"model": UploadJSON, "description": "Stored."}}
)
async def create_upload(
    request: Request, response: Response, user: CurrentUser, services: CurrentServices, name: Name = ""
) -> Any:
    """Stores the body as a file, which is deleted at `expires_at`.

    With the header `Tus-Resumable`, starts a resumable upload (tus protocol 1.0).
    """
    if "tus-resumable" in request.headers:
        return await create_resumable(request, services, user.user_id)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        raise UnsupportedMediaType("Send the file itself as the body, or a form to POST /v1/conversions.")
    declared = declared_size_bytes(request, services.settings.max_upload_bytes)
    upload = await receive_file(
        request,
        IncomingUpload(
            services,
            user.user_id,
            name=name or filename_of(request.headers.get("content-disposition")) or "",
            declared_size_bytes=declared,
        ),
    )
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/uploads/{upload.id}"
    return UploadJSON.of(upload)


@router.get("/{upload_id}")
def read_upload(upload_id: ItemId, user: CurrentUser, services: CurrentServices) -> UploadJSON:
    """Returns an upload."""
    with services.database.read() as session:
        return UploadJSON.of(uploads.find(session, upload_id, user.user_id))


@router.delete("/{upload_id}", status_code=204)
def delete_upload(upload_id: ItemId, user: CurrentUser, services: CurrentServices) -> None:
    """Deletes an upload that no conversion needs any more."""
    delete_stored(services, lambda session: uploads.delete(session, upload_id, user.user_id))
