"""Conversions: ordered, listed, read, canceled, deleted, tried again."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from video2mp3.api.accounts import CurrentUser
from video2mp3.api.incoming import IncomingUpload
from video2mp3.api.multipart import MAX_OVERHEAD_BYTES
from video2mp3.api.options import OPTIONS_SCHEMA, checked_tag, options_from_json, options_from_text
from video2mp3.api.parameters import ItemId
from video2mp3.api.representations import ConversionJSON, ConversionPage
from video2mp3.api.services import CurrentServices, Services
from video2mp3.api.streaming import abort, declared_size_bytes, read_small, receive_form
from video2mp3.api.submitting import delete_objects, request_sha256, submit
from video2mp3.database.tables import Job
from video2mp3.errors import MissingFile, UnsupportedMediaType
from video2mp3.jobs import lifecycle

router = APIRouter(prefix="/v1/conversions", tags=["conversions"])

_MAX_JSON_BYTES = 64 * 1024


class NewConversion(BaseModel):
    """An order to convert an upload."""

    model_config = ConfigDict(extra="forbid")

    upload_id: ItemId = Field(description="From POST /v1/uploads.")
    options: dict[str, Any] = Field(default_factory=dict, json_schema_extra=OPTIONS_SCHEMA)
    tag: str | None = Field(None, max_length=255, description="A text of your own, given back with the conversion.")


_FORM_SCHEMA = {
    "type": "object",
    "properties": {
        **OPTIONS_SCHEMA["properties"],
        "tag": {"type": "string", "maxLength": 255},
        "file": {"type": "string", "format": "binary"},
    },
    "required": ["file"],
    "additionalProperties": False,
}
_FORM = {"multipart/form-data": {"schema": _FORM_SCHEMA}}
_JSON = {"application/json": {"schema": NewConversion.model_json_schema()}}
FORM_BODY = {"requestBody": {"required": True, "content": _FORM}}
"""OpenAPI's description of a form with a file and options."""


@router.post("", status_code=202, openapi_extra={"requestBody": {"required": True, "content": {**_JSON, **_FORM}}})
async def create_conversion(
    request: Request,
    response: Response,
    user: CurrentUser,
    services: CurrentServices,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> ConversionJSON:
    """Queues a conversion: of an upload (JSON), or of the file in a form.

    Fields that come before the file in a form are checked before the file is stored.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        job = await convert_form(request, services, user.user_id, idempotency_key=idempotency_key)
    elif content_type == "application/json":
        job = await _convert_json(request, services, user.user_id, idempotency_key)
    elif content_type:
        raise UnsupportedMediaType("Send application/json or multipart/form-data.")
    else:
        raise MissingFile("The request has no Content-Type; send application/json, or a form with the file.")
    conversion = represent(request, job)
    response.headers["Location"] = conversion.links.self
    return conversion


@router.get("")
def list_conversions(
    request: Request,
    user: CurrentUser,
    services: CurrentServices,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$")] = None,
) -> ConversionPage:
    """Lists the conversions, the newest first."""
    with services.database.read() as session:
        jobs = lifecycle.list_page(session, user.user_id, before_id=cursor, limit=limit + 1)
    return ConversionPage(
        items=[represent(request, job) for job in jobs[:limit]],
        next_cursor=jobs[limit - 1].id if len(jobs) > limit else None,
    )


@router.get("/{conversion_id}")
def read_conversion(
    request: Request, conversion_id: ItemId, user: CurrentUser, services: CurrentServices
) -> ConversionJSON:
    """Tells all about a conversion."""
    with services.database.read() as session:
        return represent(request, lifecycle.find(session, conversion_id, user.user_id))


@router.delete(
    "/{conversion_id}",
    responses={
        200: {"model": ConversionJSON, "description": "Canceled."},
        202: {"model": ConversionJSON, "description": "Being converted; it will be canceled within seconds."},
        204: {"description": "It had ended; it is deleted with its MP3."},
    },
)
def delete_conversion(
    request: Request, response: Response, conversion_id: ItemId, user: CurrentUser, services: CurrentServices
) -> Any:
    """Cancels a conversion, or deletes it when it has ended."""
    with services.database.write() as session:
        job = lifecycle.find(session, conversion_id, user.user_id)
        ended = job.state in lifecycle.ENDED
        if ended:
            keys = lifecycle.delete(session, conversion_id, user.user_id)
        else:
            job = lifecycle.cancel(session, conversion_id, user.user_id)
    if ended:
        delete_objects(services, keys)
        return Response(status_code=204)
    response.status_code = 200 if job.state == "canceled" else 202
    return represent(request, job)


@router.post("/{conversion_id}/retry", status_code=202)
def retry_conversion(
    request: Request, response: Response, conversion_id: ItemId, user: CurrentUser, services: CurrentServices
) -> ConversionJSON:
    """Makes a new conversion of one that failed or was canceled: the same upload, the same options."""
    with services.database.write() as session:
        job = lifecycle.retry(session, conversion_id, user.user_id)
    services.nudge()
    conversion = represent(request, job)
    response.headers["Location"] = conversion.links.self
    return conversion


async def convert_form(
    request: Request, services: Services, user_id: str, *, idempotency_key: str | None = None
) -> Job:
    """Stores the file of a form and queues its conversion; on any error nothing stays stored."""
    declared_size_bytes(request, services.settings.max_upload_bytes + MAX_OVERHEAD_BYTES)
    incoming = IncomingUpload(services, user_id, with_sha256=idempotency_key is not None)
    upload, fields = await receive_form(request, incoming, _options_and_tag)
    try:
        options, tag = _options_and_tag(fields)
        job = await run_in_threadpool(
            submit,
            services,
            user_id,
            upload.id,
            options,
            tag=tag,
            idempotency_key=idempotency_key,
            request_sha256=request_sha256(upload.name, incoming.sha256, options, tag),
        )
    except BaseException:
        await abort(incoming)
        raise
    if job.upload_id != upload.id:
        # An earlier request with this Idempotency-Key has brought the same file.
        await abort(incoming)
    return job


def represent(request: Request, job: Job) -> ConversionJSON:
    """Returns the job as JSON, with addresses as this client sees them."""
    return ConversionJSON.of(job, request.scope.get("root_path", ""))


async def _convert_json(request: Request, services: Services, user_id: str, idempotency_key: str | None) -> Job:
    try:
        order = NewConversion.model_validate_json(await read_small(request, _MAX_JSON_BYTES))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from None
    options, tag = options_from_json(order.options), checked_tag(order.tag)
    return await run_in_threadpool(
        submit,
        services,
        user_id,
        order.upload_id,
        options,
        tag=tag,
        idempotency_key=idempotency_key,
        request_sha256=request_sha256(order.upload_id, options, tag),
    )


def _options_and_tag(fields: Mapping[str, str]) -> tuple[dict[str, Any], str | None]:
    options = {name: value for name, value in fields.items() if name != "tag"}
    return options_from_text(options), checked_tag(fields.get("tag"))
