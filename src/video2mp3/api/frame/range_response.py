"""Answers with stored bytes: ranges (RFC 9110 §14), conditions (§13) and safe headers."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from video2mp3.api.fairness.transfers import iterate
from video2mp3.api.frame.problems import problem_response
from video2mp3.errors import RangeNotSatisfiable
from video2mp3.storage.attachment import attachment

_CONDITIONAL_METHODS = ("GET", "HEAD")


@dataclass(frozen=True)
class Download:
    """Stored bytes that never change, as a file to download."""

    name: str
    media_type: str
    size_bytes: int
    etag: str
    """A strong ETag, with its quotes."""
    stream: Callable[[int, int], Iterator[bytes]]
    """Yields the bytes from the first offset up to the second (exclusive), in small pieces; blocking."""


def serve(request: Request, download: Download, headers: dict[str, str] | None = None) -> Response:
    """Answers GET or HEAD: 200, 206 for one range, 304 or 416; any other method: 200. Blocking: reads the first piece.

    Several ranges in one header get the whole file, as RFC 9110 §14.2 allows.

    Raises:
        NotFound: when the stored bytes were deleted.
    """
    headers = {
        "ETag": download.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": attachment(download.name),
        "X-Content-Type-Options": "nosniff",
        **(headers or {}),
    }
    if _is_cached(request, download.etag):
        return Response(status_code=304, headers=headers)
    try:
        span = _wanted_range(request, download)
    except RangeNotSatisfiable as error:
        return problem_response(request, error, headers={"Content-Range": f"bytes */{download.size_bytes}"})
    start, end = span or (0, download.size_bytes)
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{download.size_bytes}"
    headers["Content-Length"] = str(end - start)
    status = 206 if span else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=download.media_type)
    # Read before the status is sent: a deleted file answers 404, not half a file.
    pieces = download.stream(start, end)
    first = next(pieces, b"")
    return StreamingResponse(
        iterate(chain([first], pieces)), status_code=status, headers=headers, media_type=download.media_type
    )


def parse_range(header: str, size_bytes: int) -> tuple[int, int] | None:
    """Returns (start, end exclusive) of a Range header; None when it is to be ignored (RFC 9110 §14.2).

    Raises:
        RangeNotSatisfiable: when no byte of it lies in the file.
    """
    match = re.fullmatch(r"bytes\s*=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*", header, re.IGNORECASE)
    if match is None or match.group(1, 2) == ("", ""):
        return None
    first, last = match.group(1), match.group(2)
    if not first:
        start, end = max(0, size_bytes - int(last)), size_bytes
    elif last and int(last) < int(first):
        return None
    else:
        start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    if start >= end:
        raise RangeNotSatisfiable
    return start, end


def _wanted_range(request: Request, download: Download) -> tuple[int, int] | None:
    header = request.headers.get("range") if request.method in _CONDITIONAL_METHODS else None
    # If-Range with anything but this very ETag (a date, too: none is given out) asks for the whole file.
    if header is None or request.headers.get("if-range", download.etag) != download.etag:
        return None
    return parse_range(header, download.size_bytes)


def _is_cached(request: Request, etag: str) -> bool:
    if request.method not in _CONDITIONAL_METHODS:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return "*" in tags or etag in tags
