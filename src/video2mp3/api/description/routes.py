"""Pages made from the API's description: /docs for people, /llms.txt for language models."""

import gzip
import json
import re
from collections.abc import Iterator
from html import escape

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from video2mp3.api.description.texts import llms_text
from video2mp3.api.frame import pages
from video2mp3.errors import Video2mp3Error

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def read_docs() -> Response:
    """The description of the API, for people. Its viewer reads /openapi.json."""
    return pages.built_page("docs.html", {"{errors}": "".join(_errors_table())})


@router.get("/openapi.json")
def read_openapi(request: Request) -> Response:
    """The description of the API, for programs; compressed once, not at each request."""
    state = request.app.state
    if not hasattr(state, "openapi_json"):
        text = json.dumps(request.app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
        state.openapi_json = {"": text, "gzip": gzip.compress(text, mtime=0)}
    encoding = "gzip" if pages.accepts_encoding(request, "gzip") else ""
    headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": encoding} if encoding else {})
    return Response(state.openapi_json[encoding], media_type="application/json", headers=headers)


@router.get("/llms.txt")
def read_llms_text(request: Request) -> Response:
    """The description of the API, for language models."""
    return PlainTextResponse(llms_text(request.app.openapi()))


def _errors_table() -> Iterator[str]:
    """Yields the table in which each error has its code as anchor: the `type` of problems leads there."""
    yield "<table><thead><tr><th>code<th>status<th>try again<th>meaning<tbody>"
    for error in sorted(_kinds(Video2mp3Error), key=lambda error: (error.status, error.code)):
        again = "yes" if error.retryable else "no"
        detail = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(error().detail))
        yield f'<tr id="{error.code}"><td><code>{error.code}</code><td>{error.status}<td>{again}<td>{detail}'
    yield "</table>"


def _kinds(kind: type[Video2mp3Error]) -> Iterator[type[Video2mp3Error]]:
    if "code" in vars(kind):  # others have that of a class above
        yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)
