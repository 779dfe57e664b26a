"""Conversions: submit, list, read, cancel, delete, retry."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from video2mp3.api.auth.identity import CurrentUser, Principal
from video2mp3.api.conversions.option_parsing import (
    OPTIONS_SCHEMA,
    options_from_json,
    options_from_text,
    validate_cover,
    validate_tag,
)
from video2mp3.api.conversions.representations import ConversionJSON, ConversionPage
from video2mp3.api.conversions.sources import Source, remote_source, validate_url
from video2mp3.api.conversions.submission import JobSpec, check_quotas, retry, submit, validate_priority
from video2mp3.api.frame.multipart import MAX_OVERHEAD_BYTES
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.stored_objects import delete_objects
from video2mp3.api.frame.streaming import abort, declared_size_bytes, read_small, receive_form
from video2mp3.api.uploads.incoming import IncomingUpload, RepeatedUpload
from video2mp3.api.webhooks.routes import NewReceiver, Receiver, validate_receiver
from video2mp3.database.tables import Job
from video2mp3.errors import IdempotencyKeyReused, InvalidRequest, MissingFile, UnsupportedMediaType
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import PRIORITIES, Priority
from video2mp3.uploads import clean_name

router = APIRouter(prefix="/v1/conversions", tags=["conversions"])

_MAX_JSON_BYTES = 64 * 1024


_EMAIL_NOTIFICATIONS = "false: no email about this conversion."
_RESULT_URL = "The result is sent here with PUT before the conversion is finished; for example a signed URL."
_WEBHOOK = "The receiver of an event when this conversion ends."
_PRIORITY = "Conversions with a higher priority come first among yours; `high` is for administrators."


class NewConversion(BaseModel):
    """A request to convert an upload, or a file at a URL: exactly one of `upload_id` and `source`."""

    model_config = ConfigDict(extra="forbid")

    upload_id: ItemId | None = Field(None, description="From POST /v1/uploads.")
    source: Source | None = None
    result_url: str | None = Field(None, description=_RESULT_URL)
    cover_upload_id: ItemId | None = Field(None, description="The upload with the picture for the front cover.")
    options: dict[str, Any] = Field(default_factory=dict, json_schema_extra=OPTIONS_SCHEMA)
    tag: str | None = Field(None, max_length=255, description="Any text, returned with the conversion.")
    priority: Priority = Field("normal", description=_PRIORITY)
    email_notifications: bool = Field(True, description=_EMAIL_NOTIFICATIONS)
    webhook: Receiver | None = Field(None, description=_WEBHOOK)


_FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        **OPTIONS_SCHEMA["properties"],
        "cover_upload_id": {"type": "string", "description": "The picture for the front cover, from POST /v1/uploads."},
        "tag": {"type": "string", "maxLength": 255},
        "priority": {"enum": list(PRIORITIES), "default": "normal", "description": _PRIORITY},
        "email_notifications": {"type": "boolean", "default": True, "description": _EMAIL_NOTIFICATIONS},
        "result_url": {"type": "string", "description": _RESULT_URL},
        "webhook_url": {"type": "string", "description": _WEBHOOK},
        "webhook_secret": {
            "type": "string",
            "description": "The key that signs calls to webhook_url.",
        },
        "file": {"type": "string", "format": "binary"},
    },
    "required": ["file"],
    "additionalProperties": False,
}
_NOT_OPTIONS = _FORM_SCHEMA["properties"].keys() - OPTIONS_SCHEMA["properties"].keys()
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
    """Queues a conversion: of an upload or of a file at a URL (JSON), or of the file in a form.

    Form fields before the file are validated before the file is stored. The same request with the same Idempotency-Key
    returns the conversion that it created before.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data":
        job = await convert_form(request, services, user, idempotency_key=idempotency_key)
    elif content_type == "application/json":
        job = await _convert_json(request, services, user, idempotency_key)
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
    search: Annotated[str | None, Query(max_length=255, description="Part of the file's name, or of the tag.")] = None,
) -> ConversionPage:
    """Lists the conversions, the newest first."""
    with services.database.read() as session:
        jobs = lifecycle.list_page(session, user.user_id, before_id=cursor, limit=limit + 1, search=search)
    return ConversionPage(
        items=[represent(request, job) for job in jobs[:limit]],
        next_cursor=jobs[limit - 1].id if len(jobs) > limit else None,
    )


@router.get("/{conversion_id}")
def read_conversion(
    request: Request, conversion_id: ItemId, user: CurrentUser, services: CurrentServices
) -> ConversionJSON:
    """Returns a conversion."""
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
    """Cancels a conversion; if it has ended, deletes it."""
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
    """Creates a new conversion from one that failed or was canceled: the same upload, the same options."""
    job = retry(services, user.user_id, conversion_id)
    conversion = represent(request, job)
    response.headers["Location"] = conversion.links.self
    return conversion


async def convert_form(
    request: Request, services: Services, user: Principal, *, idempotency_key: str | None = None
) -> Job:
    """Stores the file of a form and queues its conversion; on any error nothing stays stored."""
    declared = declared_size_bytes(request, services.settings.max_upload_bytes + MAX_OVERHEAD_BYTES)
    earlier = await run_in_threadpool(check_quotas, services, user.user_id, idempotency_key)
    if earlier is not None:
        return await _compare_form(request, services, user, earlier)
    incoming = IncomingUpload(
        services,
        user.user_id,
        least_size_bytes=max(0, (declared or 0) - MAX_OVERHEAD_BYTES),
        with_sha256=idempotency_key is not None,
    )
    upload, fields = await receive_form(request, incoming, partial(_spec, services=services, role=user.role))
    try:
        spec = _spec(fields, services, user.role)
        job = await run_in_threadpool(
            submit,
            services,
            user.user_id,
            upload.id,
            spec,
            idempotency_key=idempotency_key,
            request_sha256=spec.sha256(upload.name, incoming.sha256),
        )
    except BaseException:
        await abort(incoming)
        raise
    if job.upload_id != upload.id:
        # Another request with this Idempotency-Key and the same file was faster.
        await abort(incoming)
    return job


async def _compare_form(request: Request, services: Services, user: Principal, earlier: Job) -> Job:
    """Reads a form whose Idempotency-Key was used before; stores nothing."""
    repeated = RepeatedUpload(services.settings.max_upload_bytes)
    sha256, fields = await receive_form(request, repeated, partial(_spec, services=services, role=user.role))
    if _spec(fields, services, user.role).sha256(clean_name(repeated.name), sha256) != earlier.request_sha256:
        raise IdempotencyKeyReused
    return earlier


def represent(request: Request, job: Job) -> ConversionJSON:
    """Returns the job as JSON, with addresses as this client sees them."""
    return ConversionJSON.of(job, request.scope.get("root_path", ""))


async def _convert_json(request: Request, services: Services, user: Principal, idempotency_key: str | None) -> Job:
    try:
        new = NewConversion.model_validate_json(await read_small(request, _MAX_JSON_BYTES))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_context=False)) from None
    if (new.upload_id is None) == (new.source is None):
        raise InvalidRequest("Give exactly one of upload_id and source.")
    options, priority = options_from_json(new.options), validate_priority(new.priority, user.role)
    spec = JobSpec(
        options,
        validate_tag(new.tag),
        priority,
        validate_cover(new.cover_upload_id, options),
        result_url=validate_url(services, new.result_url),
        email_notifications=new.email_notifications,
        webhook=validate_receiver(new.webhook, services),
    )
    source = None if new.source is None else remote_source(services, new.source)
    return await run_in_threadpool(
        submit,
        services,
        user.user_id,
        new.upload_id,
        spec,
        source=source,
        idempotency_key=idempotency_key,
        request_sha256=spec.sha256(*((source.url, source.name) if source else (new.upload_id,))),
    )


def _spec(fields: Mapping[str, str], services: Services, role: str) -> JobSpec:
    options = options_from_text({name: value for name, value in fields.items() if name not in _NOT_OPTIONS})
    return JobSpec(
        options,
        validate_tag(fields.get("tag")),
        validate_priority(fields.get("priority") or "normal", role),
        validate_cover(fields.get("cover_upload_id"), options),
        result_url=validate_url(services, fields.get("result_url") or None),
        email_notifications=_email_notifications(fields.get("email_notifications")),
        webhook=validate_receiver(_receiver(fields), services),
    )


def _receiver(fields: Mapping[str, str]) -> NewReceiver | None:
    url, secret = fields.get("webhook_url"), fields.get("webhook_secret")
    if not url and not secret:
        return None
    if not url or not secret:
        raise InvalidRequest("webhook_url and webhook_secret: give both, or none.")
    try:
        return NewReceiver(url=url, secret=secret)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise InvalidRequest(f"webhook_{first['loc'][0]}: {first['msg']}.") from None


def _email_notifications(text: str | None) -> bool:
    if text not in (None, "", "true", "false"):
        raise InvalidRequest("email_notifications: true or false.")
    return text != "false"
