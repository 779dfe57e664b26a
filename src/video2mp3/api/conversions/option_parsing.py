"""Parses conversion options of a request: JSON, form fields or a query."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import TypeAdapter

from video2mp3.engine import Options, ResolvedOptions
from video2mp3.engine.options import require_known, value_of_text
from video2mp3.engine.presets import DEFAULT_PRESET
from video2mp3.errors import InvalidOption

_NOT_OVER_HTTP = "cover_picture"
"""It is no text: clients upload it, and name the upload as `cover_upload_id`."""
_TYPES = {"integer": int, "string": str}


def _by_type(schema: dict[str, Any]) -> dict[str, Any]:
    """Gives each type its own enumeration: generators of clients do not know one with numbers and texts."""
    kinds = [kind["type"] for kind in schema.get("anyOf", [])]
    if "enum" not in schema or not _TYPES.keys() <= set(kinds):
        return schema
    rest = {name: value for name, value in schema.items() if name != "enum"}
    values = {kind: [value for value in schema["enum"] if isinstance(value, _TYPES[kind])] for kind in _TYPES}
    return {**rest, "anyOf": [{"type": kind, **({"enum": values[kind]} if kind in values else {})} for kind in kinds]}


_schema = TypeAdapter(Options).json_schema()
OPTIONS_SCHEMA: dict[str, Any] = {
    **_schema,
    "properties": {name: _by_type(schema) for name, schema in _schema["properties"].items() if name != _NOT_OVER_HTTP},
    "description": f"Options; none: the preset {DEFAULT_PRESET}.",
}
"""The JSON schema of all options."""
OPTION_NAMES = frozenset(OPTIONS_SCHEMA["properties"])
OPTION_PARAMETERS: list[dict[str, Any]] = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    for name, schema in OPTIONS_SCHEMA["properties"].items()
]
"""OpenAPI's description of the options in a query."""


def resolve(options: Mapping[str, Any], *, takes_cover: bool = False) -> ResolvedOptions:
    """Returns the options of a request.

    Args:
        options: plain values, as JSON has them.
        takes_cover: whether the request may name a `cover_upload_id`.

    Raises:
        InvalidOption: naming the option.
    """
    check_names(options, OPTION_NAMES, takes_cover=takes_cover)
    return Options.from_dict(options).resolved()


def check_names(names: Collection[str], known: Collection[str], *, takes_cover: bool) -> None:
    """Raises InvalidOption for the first name that this entry point does not know."""
    if takes_cover and _NOT_OVER_HTTP in names:
        raise InvalidOption(f"{_NOT_OVER_HTTP}: upload the picture, and give the upload's id as cover_upload_id.")
    require_known(names, known)


def options_of_text(fields: Mapping[str, str]) -> dict[str, Any]:
    """Returns options given as text as plain values; a text that is no such value stays, for `resolve` to reject."""
    return {name: value_of_text(name, text) for name, text in fields.items()}
