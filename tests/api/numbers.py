"""Every number that a request may have, found in the API's own description, and the requests that try it."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.api.matrix import Case, Ids
from tests.api.stored import VIDEO

# As Python's json writes and reads them; the last has more digits than Python reads.
EXTREMES = ("5e-324", "1e-308", "1e308", "-0.0", str(2**63), "NaN", "Infinity", "-Infinity", "9" * 5000)
_FORM = "multipart/form-data"
_MARK = "number-to-try"


@dataclass(frozen=True)
class Number:
    """One place for a number."""

    operation: str
    place: str
    """`query`, `header`, or the media type of the body."""
    path: tuple[str, ...]
    """Where in the body, else the parameter's name; `[]` is the first item of a list."""
    minimum: float | None
    maximum: float | None
    is_listed: bool
    """Only some values are allowed, each of them named."""

    @property
    def is_bounded(self) -> bool:
        bounds = (self.minimum, self.maximum)
        return self.is_listed or all(bound is not None and math.isfinite(bound) for bound in bounds)

    def send(self, http: httpx.Client, case: Case, ids: Ids, text: str) -> httpx.Response:
        """Sends the valid request of the matrix with this one number changed."""
        method, _, path = self.operation.partition(" ")
        path = path.replace("{name}", "talk.mp4")
        for name, value in ids.items():
            path = path.replace(f"{{{name}}}", value)
        request = case.filled(ids)
        if self.place == "query":
            request["params"] = {**request.get("params", {}), self.path[0]: text}
        elif self.place == "header":
            request["headers"] = {**request.get("headers", {}), self.path[0]: text}
        elif self.place == _FORM:
            # The form has an option where JSON has it within `options`.
            request = {"files": {"file": ("talk.mp4", VIDEO)}, "data": {self.path[-1]: text}}
        else:
            body = json.dumps(_with(request.pop("json"), self.path)).replace(json.dumps(_MARK), text)
            request |= {"content": body, "headers": {"Content-Type": self.place}}
        return http.request(method, path, **request)


def _with(body: Any, path: tuple[str, ...]) -> Any:
    """Returns the body with the mark at that place."""
    if not path:
        return _MARK
    if path[0] == "[]":
        return [_with(body[0] if body else {}, path[1:])]
    return {**(body or {}), path[0]: _with((body or {}).get(path[0]), path[1:])}


def numbers_of(description: Mapping[str, Any]) -> Iterator[Number]:
    """Finds them all."""
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            for place, schema, name in _inputs(operation):
                for found in _numbers(description, schema, (name,) if name else ()):
                    yield Number(f"{method.upper()} {path}", place, *found)


def _inputs(operation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    for parameter in operation.get("parameters", ()):
        yield parameter["in"], parameter["schema"], parameter["name"]
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield media_type, content["schema"], ""


_Found = tuple[tuple[str, ...], float | None, float | None, bool]


def _numbers(
    description: Mapping[str, Any],
    schema: Mapping[str, Any],
    path: tuple[str, ...],
    around: Mapping[str, Any] | None = None,
) -> Iterator[_Found]:
    """Finds the numbers in a schema; the bounds may stand beside the choice between a number and nothing."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from _numbers(description, description["components"]["schemas"][name], path, around)
        return
    bounds = {**(around or {}), **schema}
    if schema.get("type") in ("number", "integer"):
        low = bounds.get("minimum", bounds.get("exclusiveMinimum"))
        high = bounds.get("maximum", bounds.get("exclusiveMaximum"))
        yield path, low, high, "enum" in bounds or "const" in bounds
    kept = {name: bounds[name] for name in _BOUNDS if name in bounds}
    for choice in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(choice, ()):
            yield from _numbers(description, one, path, kept)
    for name, inner in schema.get("properties", {}).items():
        yield from _numbers(description, inner, (*path, name))
    if isinstance(schema.get("items"), Mapping):
        yield from _numbers(description, schema["items"], (*path, "[]"))
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from _numbers(description, schema["additionalProperties"], (*path, "other"))


_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const")
