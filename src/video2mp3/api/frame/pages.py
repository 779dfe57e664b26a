"""Serves the page that `make page` builds from web/."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from html import escape
from pathlib import Path

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parents[1] / "page"

router = APIRouter(prefix="/page", include_in_schema=False)

_MEDIA = "{media}"  # the origin that MP3s come from besides the service, after a blank
_FACTS = "{facts}"  # what the page has to know of the settings, as JSON (web/src/facts.ts)
_NONCE = "{nonce}"  # what the build leaves where the response's own nonce has to be (web/vite.config.ts)
_CSP = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src 'self' blob:{media}; font-src 'self'; manifest-src 'self'; "
    "worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PLAIN_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Content-Security-Policy of pages without scripts."""
_NOT_BUILT = "The page has not been built: run `make page`. The API works, and is described at /llms.txt."
# Its scope is the whole page, not only its own folder; it requests the page's files.
_SERVICE_WORKER = {
    "Service-Worker-Allowed": "../",
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; frame-ancestors 'none'",
}
_ENCODINGS = {"br": ".br", "gzip": ".gz"}
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


def page_response(facts: Mapping[str, bool | int], media_origin: str | None = None) -> Response:
    """Returns the page with a new nonce; if it has not been built, a sentence that says so.

    Args:
        facts: what the page has to know of the settings.
        media_origin: from which the page may play MP3s, besides its own origin.
    """
    return built_page("index.html", {_FACTS: escape(json.dumps(facts))}, media_origin)


def built_page(name: str, texts: Mapping[str, str], media_origin: str | None = None) -> Response:
    """Returns a built page with a new nonce, and with texts (HTML) in their places; the rest as `page_response`.

    Raises:
        ValueError: when the page has no such place.
    """
    try:
        page = (FOLDER / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return HTMLResponse(f"<!doctype html><title>video2mp3</title><p>{_NOT_BUILT}</p>", 503)
    nonce = secrets.token_urlsafe(16)
    policy = _CSP.replace(_NONCE, nonce).replace(_MEDIA, f" {media_origin}" if media_origin else "")
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    places = {_NONCE: nonce, **texts}
    if missing := [place for place in places if place not in page]:
        raise ValueError(f"{name} has no {', '.join(missing)}")
    # All at once: a text may have the name of a place in it.
    page = re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], page)
    return HTMLResponse(page, headers=headers)


def message_page(title: str, sentence: str, status: int, prefix: str) -> HTMLResponse:
    """Returns a page without scripts for people who followed a link to nothing; `prefix` is the service's path."""
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)} · video2mp3</title>"
        f'<link rel="icon" href="{escape(prefix)}/page/icon.svg">'
        f'<link rel="stylesheet" href="{escape(prefix)}/page/plain.css">'
        f"<h1>{escape(title)}</h1><p>{escape(sentence)}</p>"
        f'<p><a href="{escape(prefix)}/">Convert videos to MP3</a></p></html>',
        status,
        headers={"Cache-Control": "no-store", "Content-Security-Policy": PLAIN_CSP},
    )


def prefers_html(request: Request) -> bool:
    """Returns whether the client accepts HTML and prefers it to JSON (RFC 9110, section 12.5.1)."""
    weights = _weights(request.headers.get("accept", ""))
    return weights.get("text/html", 0.0) > weights.get("application/json", 0.0)


def accepts_encoding(request: Request, encoding: str) -> bool:
    """Returns whether the client accepts a response with that content encoding."""
    return _weights(request.headers.get("accept-encoding", "")).get(encoding, 0.0) > 0


@router.get("/{path:path}")
async def read_file(request: Request, path: str) -> Response:
    """The page's scripts, styles and icons."""
    # Not mounted: below a prefix a mounted application would look for its own place in the path, where it is not.
    return await _Files(directory=FOLDER / "page", check_dir=False).get_response(path, request.scope)


class _Files(StaticFiles):
    """Files that were compressed when the page was built, not at each request."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Answers with the smallest encoding of the file that the client accepts."""
        path, headers = Path(full_path), Headers(scope=scope)
        is_named_by_content = path.parent.name == "assets"
        answered = {
            # Python would guess from the machine's tables, and browsers are told not to guess.
            "Content-Type": _MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
            "Cache-Control": "public, max-age=31536000, immutable" if is_named_by_content else "no-cache",
            "Vary": "Accept-Encoding",
        }
        if path.name == "service-worker.js":
            answered |= _SERVICE_WORKER
        if encoding := _encoding(path, _weights(headers.get("accept-encoding", ""))):
            path = path.with_name(path.name + _ENCODINGS[encoding])
            stat_result = path.stat()
            answered["Content-Encoding"] = encoding
        response = FileResponse(path, status_code, answered, stat_result=stat_result)
        return NotModifiedResponse(response.headers) if self.is_not_modified(response.headers, headers) else response


def _encoding(path: Path, weights: Mapping[str, float]) -> str | None:
    """Returns the first encoding that the client takes and that there is of the file."""
    for encoding, suffix in _ENCODINGS.items():
        if weights.get(encoding, 0.0) > 0 and path.with_name(path.name + suffix).is_file():
            return encoding
    return None


def _weights(header: str) -> dict[str, float]:
    """Reads a list of names with weights, such as an Accept header."""
    return dict(map(_weight, header.split(",")))


def _weight(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in item.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0
