"""Conversions: submit, list, read, cancel, delete, retry."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from video2mp3.api.auth.identity import CurrentUser, Principal
from video2mp3.api.conversions.representations import ConversionJSON, ConversionPage, State
from video2mp3.api.conversions.requests import FORM_SCHEMA, ConversionRequest, job_spec, request_of_text
from video2mp3.api.conversions.submission import check_quotas, retry, submit, submit_stored
from video2mp3.api.frame.multipart import MAX_OVERHEAD_BYTES
from video2mp3.api.frame.parameters import Cursor, ItemId, Limit
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.stored_objects import delete_stored
from video2mp3.api.frame.streaming import declared_size_bytes, read_small, receive_form
from video2mp3.api.uploads.incoming import IncomingUpload, RepeatedUpload
from video2mp3.database.tables import Job
from video2mp3.errors import IdempotencyKeyReused, MissingFile, UnsupportedMediaType
from video2mp3.jobs import lifecycle
from video2mp3.jobs.idempotency import Idempotency
from video2mp3.jobs.sources import JobSpec
from video2mp3.uploads import clean_name

router = APIRouter(prefix="/v1/conversions", tags=["conversions"])

_MAX_JSON_BYTES = 64 * 1024

_FORM = {"multipart/form-data": {"schema": FORM_SCHEMA}}
_JSON = {"application/json": {"schema": ConversionRequest.model_json_schema()}}
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
    limit: Limit = 20,
    cursor: Cursor = None,
    search: Annotated[str | None, Query(max_length=255, description="Part of the file's name, or of the tag.")] = None,
    state: Annotated[State | None, Query(description="Only conversions in this state.")] = None,
) -> ConversionPage:
    """Lists the conversions, the newest first."""
    with services.database.read() as session:
        jobs = lifecycle.list_page(session, user.user_id, before_id=cursor, limit=limit + 1, search=search, state=state)
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

    def delete(session: Session) -> list[str] | None:
        if lifecycle.find(session, conversion_id, user.user_id).state in lifecycle.ENDED:
            return lifecycle.delete(session, conversion_id, user.user_id)
        canceled.append(lifecycle.cancel(session, conversion_id, user.user_id))
        return None

    canceled: list[Job] = []
    if delete_stored(services, delete):
        return Response(status_code=204)
    job = canceled[-1]
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
    upload, fields = await receive_form(request, incoming, partial(_form_spec, services=services, role=user.role))
    make_spec = partial(_form_spec, fields, services, user.role)
    return await submit_stored(services, incoming, upload, make_spec, idempotency_key)


async def _compare_form(request: Request, services: Services, user: Principal, earlier: Job) -> Job:
    """Reads a form whose Idempotency-Key was used before; stores nothing."""
    repeated = RepeatedUpload(services.settings.max_upload_bytes)
    sha256, fields = await receive_form(request, repeated, partial(_form_spec, services=services, role=user.role))
    if _form_spec(fields, services, user.role).sha256(clean_name(repeated.name), sha256) != earlier.request_sha256:
        raise IdempotencyKeyReused
    return earlier


def represent(request: Request, job: Job) -> ConversionJSON:
    """Returns the job as JSON, with addresses as this client sees them."""
    return ConversionJSON.of(job, request.scope.get("root_path", ""))


async def _convert_json(request: Request, services: Services, user: Principal, idempotency_key: str | None) -> Job:
    try:
        new = ConversionRequest.model_validate_json(await read_small(request, _MAX_JSON_BYTES))
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None
    new.require_one_source()
    spec = job_spec(new, services, user.role)
    idempotency = Idempotency(idempotency_key, spec.sha256()) if idempotency_key else None
    return await run_in_threadpool(submit, services, user.user_id, spec, idempotency)


def _form_spec(fields: Mapping[str, str], services: Services, role: str) -> JobSpec:
    return job_spec(request_of_text(fields), services, role)
