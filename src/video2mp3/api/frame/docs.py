"""The API's description as a page, rendered from /openapi.json without scripts or external resources."""

import base64
import hashlib
import re
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from video2mp3.errors import Video2mp3Error

router = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font-family: ui-monospace, monospace; }
summary { cursor: pointer; padding: .3rem 0; }
summary b { display: inline-block; min-width: 4.5rem; }
pre { overflow-x: auto; padding: .5rem; border: 1px solid #8884; }
table { border-collapse: collapse; } th, td { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_CSP = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"


@router.get("/docs")
def read_docs(request: Request) -> Response:
    """The description of the API, for people."""
    page = "".join(_page(request.app.openapi()))
    return HTMLResponse(page, headers={"Content-Security-Policy": _CSP})


def _page(schema: dict[str, Any]) -> Iterator[str]:
    info = schema["info"]
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])} API</title>"
    yield '<meta name="viewport" content="width=device-width"><style>' + _STYLE + "</style>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{_prose(info['description'])}</p>"
    yield '<p>For programs: <a href="openapi.json">openapi.json</a>.</p><h2>Calls</h2>'
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            yield from _operation(path, method, operation)
    yield "<h2>Objects</h2>"
    for name, model in schema["components"]["schemas"].items():
        yield from _model(name, model)
    yield "<h2>Errors</h2><table><tr><th>code<th>status<th>meaning"
    for kind in sorted(_kinds(Video2mp3Error), key=lambda kind: (kind.status, kind.code)):
        sentence = _prose((kind.__doc__ or "").strip())
        yield f'<tr id="{kind.code}"><td><code>{kind.code}</code><td>{kind.status}<td>{sentence}'
    yield "</table></html>"


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    first, _, rest = operation.get("description", "").partition("\n")
    yield f"<details><summary><b>{method.upper()}</b> <code>{escape(path)}</code> {_prose(first)}</summary>"
    yield f"<p>{_prose(rest)}</p>"
    if operation.get("parameters"):
        yield "<table><tr><th>parameter<th>in<th>type<th>meaning"
        for one in operation["parameters"]:
            yield f"<tr><td><code>{escape(one['name'])}</code><td>{one['in']}<td>{_type(one.get('schema', {}))}"
            yield f"<td>{_prose(one.get('description', ''))}"
        yield "</table>"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(kind)}</code> {_type(content.get('schema', {}))}</p>"
    yield "<table><tr><th>status<th>answer"
    for status, response in operation["responses"].items():
        kinds = ", ".join(f"<code>{escape(k)}</code> {_type(c.get('schema', {}))}" for k, c in _content(response))
        yield f"<tr><td>{status}<td>{escape(response['description'])} {kinds}"
    yield "</table></details>"


def _content(response: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(response.get("content", {}).items())


def _model(name: str, model: dict[str, Any]) -> Iterator[str]:
    yield f'<h3 id="object-{escape(name)}">{escape(name)}</h3><p>{_prose(model.get("description", ""))}</p><table>'
    for field, schema in model.get("properties", {}).items():
        needed = "" if field in model.get("required", ()) else " (optional)"
        yield f"<tr><td><code>{escape(field)}</code>{needed}<td>{_type(schema)}"
        yield f"<td>{_prose(schema.get('description', ''))}"
    yield "</table>"


def _type(schema: dict[str, Any]) -> str:
    """Returns a short HTML name of a JSON schema's type."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#object-{name}">{name}</a>'
    for union in ("anyOf", "oneOf", "allOf"):
        if union in schema:
            return " or ".join(_type(one) for one in schema[union])
    if "enum" in schema or "const" in schema:
        return " | ".join(escape(repr(value)) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("format") or schema.get("type") or "any"))


def _prose(text: str) -> str:
    """Returns HTML in which text in backticks is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _kinds(kind: type[Video2mp3Error]) -> Iterator[type[Video2mp3Error]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
