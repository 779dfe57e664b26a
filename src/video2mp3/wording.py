"""Says what is wrong with a value or a name, in the same words for settings, requests and commands."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from itertools import takewhile
from typing import Any

_TEXTS: Mapping[str, str] = {
    "missing": "it is missing",
    "extra_forbidden": "it is not known here",
    "int_parsing": "it has to be a whole number",
    "int_type": "it has to be a whole number",
    "int_from_float": "it has to be a whole number",
    "int_parsing_size": "it has too many digits",
    "float_parsing": "it has to be a number",
    "float_type": "it has to be a number",
    "finite_number": "it has to be a finite number",
    "bool_parsing": "it has to be true or false",
    "bool_type": "it has to be true or false",
    "string_type": "it has to be a text",
    "dict_type": "it has to be an object",
    "model_attributes_type": "it has to be an object",
    "model_type": "it has to be an object",
    "list_type": "it has to be a list",
    "path_type": "it has to be a path",
    "json_invalid": "it is not valid JSON",
    "greater_than_equal": "it has to be at least {ge}",
    "greater_than": "it has to be greater than {gt}",
    "less_than_equal": "it has to be at most {le}",
    "less_than": "it has to be less than {lt}",
    "string_too_short": "it needs at least {min_length} characters",
    "string_too_long": "it may have at most {max_length} characters",
    "too_short": "it needs at least {min_length} entries",
    "too_long": "it may have at most {max_length} entries",
    "literal_error": "it has to be {expected}",
    "enum": "it has to be {expected}",
    "string_pattern_mismatch": "it does not have the right form",
}


def invalid_value(found: Mapping[str, Any]) -> str:
    """Returns what is wrong with a value, as the rest of a sentence; `found` is one of Pydantic's errors.

    The value itself is left out: it may be a password.
    """
    context = found.get("ctx", {})
    if found["type"] == "value_error":
        return str(context.get("error", found["msg"]))
    try:
        return _TEXTS[found["type"]].format_map(context)
    except KeyError:
        return str(found["msg"])


def unknown_name(name: str, known: Collection[str], least_similarity: float = 0.0) -> str:
    """Returns a sentence about a name that is not known, with the nearest one that is so similar (0 to 1)."""
    # A long beginning that all names share would make all of them near.
    words = [name.lower(), *(one.lower() for one in known)]
    shared = sum(1 for _ in takewhile(lambda letters: len(set(letters)) == 1, zip(*words, strict=False)))
    by_rest = {one[shared:].lower(): one for one in sorted(known)}
    near = get_close_matches(name[shared:].lower(), by_rest, 1, least_similarity)
    return f"There is no {name}" + (f"; the nearest is {by_rest[near[0]]}." if near else ".")
