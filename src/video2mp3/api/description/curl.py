"""The curl command for each call."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from video2mp3.api.description.examples import Examples

_FILE = "talk.mp4"
_OUTPUTS = {"audio/mpeg": "talk.mp3", "application/zip": "mp3s.zip", "application/octet-stream": _FILE}


def command(server: str, method: str, path: str, operation: Mapping[str, Any], examples: Examples) -> str:
    """Returns the command: it sends the operation's example, with the token in `$TOKEN` where one is needed."""
    flag, body, content_type = _body(method, operation, examples)
    also = "name" if flag else ""  # that of the file that is sent
    given = [one for one in operation.get("parameters", []) if one.get("required") or one["name"] == also]
    values = {parameter["name"]: examples.of(parameter["schema"], parameter["name"]) for parameter in given}
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", quote(str(value)))
    query = urlencode({one["name"]: values[one["name"]] for one in given if one["in"] == "query"}, doseq=True)
    headers = {one["name"]: values[one["name"]] for one in given if one["in"] == "header"} | content_type
    address = shlex.quote(f"{server}{path}{'?' if query else ''}{query}")
    lines = [f"curl -fsS {_method(method, flag)}{address}", *_credentials(operation)]
    lines += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    return " \\\n  ".join([*lines, *([f"{flag} {body}"] if flag else []), *_output(operation)])


def _body(method: str, operation: Mapping[str, Any], examples: Examples) -> tuple[str, str, dict[str, str]]:
    """Returns curl's flag, its value and the header that it needs; empty for a request without a body."""
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return "", "", {}
    if "application/json" in content:
        body = examples.request(operation["operationId"], content["application/json"]["schema"])
        return "--json", shlex.quote(json.dumps(body)), {}
    if "multipart/form-data" in content:
        return "-F", f"file=@{_FILE}", {}
    if method == "put":
        return "-T", _FILE, {}
    return "--data-binary", f"@{_FILE}", {"Content-Type": next(iter(content))}


def _method(method: str, flag: str) -> str:
    implied = {"": "get", "-T": "put"}.get(flag, "post")
    return "" if method == implied else f"-X {method.upper()} "


def _credentials(operation: Mapping[str, Any]) -> Iterator[str]:
    schemes = [name for one in operation.get("security", []) for name in one]
    if "HTTPBearer" in schemes:
        yield '-H "Authorization: Bearer $TOKEN"'
    elif "HTTPBasic" in schemes:
        yield "-u 'ada:correct horse battery staple'"


def _output(operation: Mapping[str, Any]) -> Iterator[str]:
    kinds = [
        kind
        for status, answer in operation["responses"].items()
        if status[0] == "2"
        for kind in answer.get("content", {})
    ]
    if found := [_OUTPUTS[kind] for kind in kinds if kind in _OUTPUTS]:
        yield f"-o {found[0]}"
