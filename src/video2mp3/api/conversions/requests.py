"""What a client asks of one conversion: JSON, a form or a query becomes a request, and that a job's specification."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError, model_validator

from video2mp3.api.conversions.option_parsing import OPTION_NAMES, OPTIONS_SCHEMA, check_names, options_of_text, resolve
from video2mp3.api.conversions.sources import Source, remote_source, validate_url
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.schemas import RequestBody
from video2mp3.api.frame.services import Services
from video2mp3.api.webhooks.routes import Receiver, validate_receiver
from video2mp3.engine.options import require_known
from video2mp3.errors import Forbidden, InvalidOption, InvalidRequest
from video2mp3.jobs.lifecycle import PRIORITIES, Priority
from video2mp3.jobs.sources import JobSpec

_EMAIL_NOTIFICATIONS = "false: no email about this conversion."
_RESULT_URL = "The result is sent here with PUT before the conversion is finished; for example a signed URL."
_WEBHOOK = "The receiver of an event when this conversion ends."
_PRIORITY = "Conversions with a higher priority come first among yours; `high` is for administrators."


class StrictBody(RequestBody):
    """A body whose unknown fields are errors that suggest the nearest known one."""

    @model_validator(mode="before")
    @classmethod
    def _require_known(cls, values: Any) -> Any:
        if isinstance(values, dict):
            try:
                require_known(values, [*cls.model_fields, *(f"options.{name}" for name in sorted(OPTION_NAMES))])
            except InvalidOption as error:
                raise InvalidRequest(error.detail) from None
        return values


class ConversionRequest(StrictBody):
    """A request to convert an upload, or a file at a URL: exactly one of `upload_id` and `source`."""

    upload_id: ItemId | None = Field(None, description="From POST /v1/uploads.")
    source: Source | None = None
    result_url: str | None = Field(None, description=_RESULT_URL)
    cover_upload_id: ItemId | None = Field(None, description="The upload with the picture for the front cover.")
    options: dict[str, Any] = Field(default_factory=dict, json_schema_extra=OPTIONS_SCHEMA)
    tag: str | None = Field(None, max_length=255, description="Any text, returned with the conversion.")
    priority: Priority = Field("normal", description=_PRIORITY)
    email_notifications: bool = Field(True, description=_EMAIL_NOTIFICATIONS)
    webhook: Receiver | None = Field(None, description=_WEBHOOK)

    def require_one_source(self) -> None:
        """Raises InvalidRequest unless the request names exactly one of an upload and a remote file."""
        if (self.upload_id is None) == (self.source is None):
            raise InvalidRequest("Give exactly one of upload_id and source.")


FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        **OPTIONS_SCHEMA["properties"],
        "cover_upload_id": {"type": "string", "description": "The picture for the front cover, from POST /v1/uploads."},
        "tag": {"type": "string", "maxLength": 255},
        "priority": {"type": "string", "enum": list(PRIORITIES), "default": "normal", "description": _PRIORITY},
        "email_notifications": {"type": "boolean", "default": True, "description": _EMAIL_NOTIFICATIONS},
        "result_url": {"type": "string", "description": _RESULT_URL},
        "webhook_url": {"type": "string", "description": _WEBHOOK},
        "webhook_secret": {"type": "string", "description": "The key that signs calls to webhook_url."},
        "file": {"type": "string", "format": "binary"},
    },
    "required": ["file"],
    "additionalProperties": False,
}
FORM_NAMES = FORM_SCHEMA["properties"].keys() - {"file"}


def request_of_text(fields: Mapping[str, str], known: Collection[str] = FORM_NAMES) -> ConversionRequest:
    """Returns the request that a form's fields make; an empty field counts as not given.

    Raises:
        InvalidOption: for a name that is not among the `known` ones.
        RequestValidationError: naming the fields.
    """
    check_names(fields, known, takes_cover=True)
    given: dict[str, Any] = {name: text for name, text in fields.items() if text != ""}
    options = {name: given.pop(name) for name in OPTION_NAMES & given.keys()}
    webhook = {name: given.pop(f"webhook_{name}") for name in ("url", "secret") if f"webhook_{name}" in given}
    try:
        return ConversionRequest.model_validate(
            {**given, "options": options_of_text(options), "webhook": webhook or None}
        )
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**one, "loc": ("_".join(map(str, one["loc"])),)} for one in found]) from None


def request_of_query(parameters: Iterable[tuple[str, str]]) -> ConversionRequest:
    """Returns the request that a query makes. Raises as `request_of_text`, and for a name that is given twice."""
    fields: dict[str, str] = {}
    for name, value in parameters:
        if name in fields:
            raise InvalidOption(f"{name[:64]}: given twice.")
        fields[name] = value
    fields.pop("name", None)
    return request_of_text(fields, OPTION_NAMES | {"cover_upload_id", "name"})


def job_spec(request: ConversionRequest, services: Services, role: str, *, takes_cover: bool = True) -> JobSpec:
    """Returns the specification of the job that a user of that role asks for.

    Raises:
        InvalidOption: naming the option.
        Forbidden: for the priority `high`, which is for administrators.
        UrlRejected: when a URL leads inside.
    """
    options = resolve(request.options, takes_cover=takes_cover)
    if request.cover_upload_id and (options.cover == "none" or options.cover_at_s is not None):
        other = "cover" if options.cover == "none" else "cover_at_s"
        raise InvalidOption(f"cover_upload_id: cannot be used together with {other}; choose one of them.")
    if request.priority == "high" and role != "admin":
        raise Forbidden("The priority `high` is for administrators.")
    return JobSpec(
        options=options,
        upload_id=request.upload_id,
        source=None if request.source is None else remote_source(services, request.source),
        cover_upload_id=request.cover_upload_id,
        result_url=validate_url(services, request.result_url),
        tag=request.tag or None,
        email_notifications=request.email_notifications,
        webhook=validate_receiver(request.webhook, services),
        priority=PRIORITIES.index(request.priority),
    )
