"""Turns every error into problem details (RFC 9457) with a stable code."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from video2mp3 import errors
from video2mp3.api.frame.head import methods_of
from video2mp3.api.frame.pages import message_page, prefers_html
from video2mp3.api.frame.schemas import FieldError, Problem
from video2mp3.errors import Video2mp3Error
from video2mp3.wording import invalid_value

MEDIA_TYPE = "application/problem+json"
_MAX_ERRORS = 20
# Words of codes that are not written in lower case.
_SPELLED = {"url": "URL", "mp3": "MP3"}
_MAX_FIELD_LENGTH = 200

# Errors that the framework raises, by status.
_BY_STATUS: Mapping[int, type[Video2mp3Error]] = {
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.RequestTooLarge,
    415: errors.UnsupportedMediaType,
}


def install(app: FastAPI) -> None:
    """Makes the application answer each kind of error with problem details."""
    app.add_exception_handler(Video2mp3Error, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)


def problem_response(
    request: Request,
    error: Video2mp3Error,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    field_errors: Sequence[FieldError] | None = None,
) -> Response:
    """Returns the response that describes an error."""
    status = status or error.status
    problem = Problem(
        type=f"{request.scope.get('root_path', '')}/docs#{error.code}",
        title=_title(error.code),
        status=status,
        detail=error.detail,
        code=error.code,
        retryable=error.retryable,
        request_id=request.scope.get("state", {}).get("request_id", ""),
        errors=list(field_errors) if field_errors else None,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status,
        headers={**_headers(request, error, status), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def _title(code: str) -> str:
    words = code.split("_")
    return " ".join([_SPELLED.get(words[0], words[0].capitalize()), *(_SPELLED.get(word, word) for word in words[1:])])


def _headers(request: Request, error: Video2mp3Error, status: int) -> dict[str, str]:
    if status == 401:
        scheme = "Basic" if request.scope["path"] == "/login" else "Bearer"
        return {"WWW-Authenticate": f'{scheme} realm="video2mp3"'}
    if isinstance(error, errors.InsufficientScope):
        # RFC 6750, section 3.1.
        scope = f', scope="{error.scope}"' if error.scope else ""
        return {"WWW-Authenticate": f'Bearer realm="video2mp3", error="insufficient_scope"{scope}'}
    if status in (429, 503, 507):
        return {"Retry-After": str(error.retry_after_s)}
    return {}


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, Video2mp3Error)
    return _answer(request, error)


def _answer(
    request: Request,
    error: Video2mp3Error,
    *,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
    field_errors: Sequence[FieldError] = (),
) -> Response:
    """Returns the problem; browsers that open an address get it as a page."""
    response = problem_response(request, error, status=status, headers=headers, field_errors=field_errors)
    if request.method != "GET" or not prefers_html(request):
        return response
    sentence = " ".join(f"{each.field}: {each.message}" for each in field_errors) or error.detail
    page = message_page(_title(error.code), sentence, response.status_code, request.scope.get("root_path", ""))
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, errors.InvalidRequest(), field_errors=_field_errors(error.errors()))


def _field_errors(found: Sequence[Any]) -> list[FieldError]:
    # Without the input, which may be a password.
    return [
        FieldError(field=".".join(str(part) for part in one["loc"])[:_MAX_FIELD_LENGTH], message=_message(one))
        for one in found[:_MAX_ERRORS]
    ]


def _message(found: Mapping[str, Any]) -> str:
    text = invalid_value(found)
    return f"{text[0].upper()}{text[1:]}."


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code, errors.InvalidRequest if error.status_code < 500 else Video2mp3Error)
    if error.status_code < 400:
        return Response(status_code=error.status_code, headers=error.headers)
    detail = _nothing_at(request) if error.status_code == 404 else None
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return _answer(request, kind(detail), status=error.status_code, headers=headers)


def _nothing_at(request: Request) -> str:
    shorter = request.scope["path"].rstrip("/")
    sentence = "There is nothing at this address"
    if shorter not in ("", request.scope["path"]) and methods_of(request.app, shorter):
        return f"{sentence}; {shorter} has no slash at its end."
    return f"{sentence}."


def _allowed(request: Request) -> str:
    """Returns all methods of the path; the framework names those of its first route only."""
    methods = methods_of(request.app, request.scope["path"])
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


async def _on_disconnect(request: Request, error: Exception) -> Response:  # noqa: ARG001
    # Nobody reads it; but the server wants an answer, and the log its status.
    return problem_response(request, errors.UploadIncomplete())
