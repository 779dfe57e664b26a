"""How an option is declared, and how a value is checked against its declaration."""

import math
from collections.abc import Mapping
from dataclasses import Field, field
from typing import Any, get_args

from video2mp3.errors import InvalidOption

_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", bytes: "bytes"}


def declare(default: Any, description: str, **schema: Any) -> Any:
    """Declares an option, a field of a dataclass; `schema` holds its bounds in the words of JSON Schema."""
    return field(default=default, metadata={"description": description, "json_schema_extra": schema})


def kinds_of(option: "Field[Any]") -> list[Any]:
    """Returns the types of the option's values, without None."""
    return [kind for kind in get_args(option.type) or (option.type,) if kind is not type(None)]


def check(option: "Field[Any]", value: Any) -> None:
    """Raises InvalidOption, which names the option, if its declaration does not allow the value."""
    if value is None and option.default is None:
        return
    kinds = kinds_of(option)
    if not any(_is_a(kind, value) for kind in kinds):
        raise InvalidOption(f"{option.name}: must be {' or '.join(_KINDS[kind] for kind in kinds)}.")
    schema: Mapping[str, Any] = option.metadata["json_schema_extra"]
    if value not in schema.get("enum", [value]):
        allowed = ", ".join(str(known) for known in schema["enum"] if known is not None)
        named = repr(value)[:50] if isinstance(value, str) else value
        raise InvalidOption(f"{option.name}: {named} is not one of {allowed}.")
    number = number_of(value)
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if number is not None and not low <= number <= high:  # NaN is not between them either
        raise InvalidOption(f"{option.name}: must be from {low} to {high}.")
    if isinstance(value, bytes) and len(value) > schema["maxLength"]:
        raise InvalidOption(f"{option.name}: must not be larger than {schema['maxLength'] // 10**6} MB.")
    if isinstance(value, str) and len(value) > schema.get("maxLength", math.inf):
        raise InvalidOption(f"{option.name}: must not be longer than {schema['maxLength']} characters.")


def _is_a(kind: type, value: object) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def number_of(value: object) -> float | None:
    """Returns the number that a value is, or says in digits."""
    if isinstance(value, str):
        return int(value) if value.isdigit() and value.isascii() and len(value) <= 20 else None
    return value if isinstance(value, (int, float)) else None
