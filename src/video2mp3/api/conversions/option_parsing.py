"""Parses conversion options of a request: JSON, form fields or a query."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from video2mp3.api.frame.parameters import validate_item_id
from video2mp3.engine import Options, ResolvedOptions
from video2mp3.errors import InvalidOption, InvalidRequest

_MAX_TAG_CHARACTERS = 255
_from_text: TypeAdapter[Options] = TypeAdapter(Options)

_NOT_OVER_HTTP = "cover_picture"
"""What is no text: it is uploaded, and named as `cover_upload_id`."""
_schema = _from_text.json_schema()
OPTIONS_SCHEMA: dict[str, Any] = {
    **_schema,
    "properties": {name: schema for name, schema in _schema["properties"].items() if name != _NOT_OVER_HTTP},
    "description": "Options; none: CBR 192 kbit/s.",
}
"""The JSON schema of all options."""
OPTION_PARAMETERS: list[dict[str, Any]] = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    for name, schema in OPTIONS_SCHEMA["properties"].items()
]
"""OpenAPI's description of the options in a query."""


def options_from_json(options: Mapping[str, Any]) -> ResolvedOptions:
    """Returns the options of a JSON body.

    Raises:
        InvalidOption: naming the option.
    """
    _require_text(options)
    return Options.from_dict(options).resolved()


def options_from_text(fields: Mapping[str, str]) -> ResolvedOptions:
    """Returns options given as text; an empty field counts as not given.

    Raises:
        InvalidOption: naming the option.
    """
    _require_text(fields)
    Options.from_dict(dict.fromkeys(fields))
    given = {name: value for name, value in fields.items() if value != ""}
    try:
        return _from_text.validate_python(given).resolved()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0])[:64] if first["loc"] else "options"
        raise InvalidOption(f"{name}: {first['msg']}.") from None


def _require_text(names: Iterable[str]) -> None:
    if _NOT_OVER_HTTP in names:
        raise InvalidOption(f"{_NOT_OVER_HTTP}: upload the picture, and give the upload's id as cover_upload_id.")


def options_from_query(parameters: Iterable[tuple[str, str]], others: frozenset[str]) -> ResolvedOptions:
    """Returns the options of a query, in which the parameters `others` mean something else."""
    fields: dict[str, str] = {}
    for name, value in parameters:
        if name in others:
            continue
        if name in fields:
            raise InvalidOption(f"{name[:64]}: given twice.")
        fields[name] = value
    return options_from_text(fields)


def validate_cover(cover_upload_id: str | None, options: ResolvedOptions) -> str | None:
    """Returns the id of the cover's upload, or None for an empty one.

    Args:
        cover_upload_id: as it came.
        options: of the conversion.

    Raises:
        InvalidOption: when the options ask for another cover.
        NotFound: when it cannot be an id.
    """
    if not cover_upload_id:
        return None
    if options.cover == "none" or options.cover_at_s is not None:
        other = "cover" if options.cover == "none" else "cover_at_s"
        raise InvalidOption(f"cover_upload_id: cannot be used together with {other}; choose one of them.")
    return validate_item_id(cover_upload_id)


def validate_tag(tag: str | None) -> str | None:
    """Returns the tag, or None for an empty one.

    Raises:
        InvalidRequest: when it is too long.
    """
    if tag is not None and len(tag) > _MAX_TAG_CHARACTERS:
        raise InvalidRequest(f"tag: longer than {_MAX_TAG_CHARACTERS} characters.")
    return tag or None
