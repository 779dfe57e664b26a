"""Middleware around every request: its id, its log line, the handler of last resort, the security headers."""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from video2mp3.accounts import audit
from video2mp3.api.fairness import fair_threads, rates
from video2mp3.api.fairness.callers import Callers
from video2mp3.api.fairness.places import Place, new_places
from video2mp3.api.frame.problems import problem_response
from video2mp3.api.server import forwarding
from video2mp3.api.server.hosts import ANY_HOST_PATHS, HostRule
from video2mp3.errors import Unavailable, UnknownHost, Video2mp3Error
from video2mp3.settings import Settings
from video2mp3.telemetry import metrics, tracing

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_PATH_LENGTH = 200
# Links to a result: a reader of the log must not get the MP3.
_SECRET_PATHS = re.compile(r"(/v1/shared/|/share/)[^/]+")

BODY_PAUSE_S = 60.0
"""Longest silence in the middle of a body: without a limit, a request would wait forever on a dropped connection."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# The page sets a wider policy for itself.
_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: with that, browsers send `Origin: null` with forms, and ours would be refused.
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": _CSP,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS = {"Strict-Transport-Security": "max-age=31536000"}


class RequestContextMiddleware:
    """Pure ASGI middleware, so that streams pass through it without being buffered."""

    def __init__(self, app: ASGIApp, settings: Settings, callers: Callers) -> None:
        self._app = app
        self._callers = callers
        self._places = new_places()
        self._proxies = settings.proxies
        self._hosts = HostRule(settings)
        # Also sent without TLS, where browsers ignore it.
        self._headers = _SECURITY_HEADERS | (_HSTS if settings.public_url.startswith("https:") else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = forwarding.resolved(scope, self._proxies)
        fair_threads.install()
        caller = self._callers.caller_of(scope)
        fair_threads.current_caller.set(caller)
        place = Place(self._places, caller)
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        body, response = _Body(receive), _Response(send, scope["state"], self._headers, place)
        started_s = time.monotonic()
        parent = tracing.parse(Headers(scope=scope).get(tracing.HEADER))
        client = scope.get("client")
        with (
            audit.coming_from(audit.Origin(client[0] if client else None, request_id)),
            metrics.HTTP_IN_PROGRESS.track_inprogress(),
            structlog.contextvars.bound_contextvars(request_id=request_id),
            tracing.span("request", kind="server", parent=parent) as span,
        ):
            try:
                if scope["path"] not in ANY_HOST_PATHS:
                    await place.take()
                served = self._app if self._hosts.allows(scope) else _refuse_host
                await served(scope, body.receive, response.send)
            except Exception as error:
                _log_fault(error)
                # Otherwise it is too late for another response: the server closes the connection of an unfinished one,
                # so that no client takes it for whole.
                if response.status is None:
                    await problem_response(Request(scope), Video2mp3Error())(scope, receive, response.send)
            except asyncio.CancelledError:
                # The server shuts down and does not wait any longer. Not raised again: the server would log an error.
                log.warning("request_aborted_by_shutdown")
                if response.status is None:
                    await problem_response(Request(scope), Unavailable())(scope, receive, response.send)
            finally:
                place.leave()
                duration_s = time.monotonic() - started_s
                _log_request(scope, response.status, duration_s)
                _measure(scope, response.status, duration_s)
                _describe(span, scope, response.status)


class _Body:
    """Passes the body on: a client that pauses too long in the middle of it counts as disconnected."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def receive(self) -> Message:
        if self._ended:
            # The next message is the client's disconnect, at whatever time.
            return await self._receive()
        try:
            async with asyncio.timeout(BODY_PAUSE_S):
                message = await self._receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        metrics.HTTP_RECEIVED_BYTES.inc(len(message.get("body", b"")))
        self._ended = not message.get("more_body", False)
        return message


class _Response:
    """Passes the response on: adds headers, remembers the status."""

    def __init__(self, send: Send, state: dict[str, Any], security_headers: Mapping[str, str], place: Place) -> None:
        self._send = send
        self._place = place
        self._state = state
        self._security_headers = security_headers
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._state["request_id"]
            for name, value in self._security_headers.items():
                headers.setdefault(name, value)
            headers.update(rates.headers_of(self._state))
            self._place.leave_if_long(message)
        else:
            metrics.HTTP_SENT_BYTES.inc(len(message.get("body", b"")))
        await self._send(message)


async def _refuse_host(scope: Scope, receive: Receive, send: Send) -> None:
    await problem_response(Request(scope), UnknownHost())(scope, receive, send)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _log_fault(error: Exception) -> None:
    # The framework wraps errors that occur after the response has started: a storage that became unavailable, or a
    # file that its owner deleted during a download.
    expected = error.__cause__
    if isinstance(expected, Video2mp3Error):
        log.warning("response_aborted", error=expected.code, detail=expected.detail)
    else:
        log.exception("request_failed")


def _log_request(scope: Scope, status: int | None, duration_s: float) -> None:
    client = scope.get("client")
    # Health checks come every few seconds; only failed ones are logged.
    write = log.debug if scope["path"] in ANY_HOST_PATHS and status == 200 else log.info
    write(
        "request",
        method=scope["method"],
        # Without the query, which may hold a one-time secret. Quoted, so that no client can forge a log line.
        path=quote(_SECRET_PATHS.sub(r"\1*", scope["path"]), safe="/*")[:_MAX_PATH_LENGTH],
        status=status,
        duration_ms=round(duration_s * 1000, 1),
        client=client[0] if client else None,
    )


def _measure(scope: Scope, status: int | None, duration_s: float) -> None:
    method, route = _method_of(scope), _route_of(scope)
    metrics.HTTP_REQUESTS.labels(method, route, f"{status // 100}xx" if status else "none").inc()
    metrics.HTTP_DURATION_S.labels(method, route).observe(duration_s)


def _describe(span: tracing.Span, scope: Scope, status: int | None) -> None:
    method, route = _method_of(scope), _route_of(scope)
    span.rename(f"{method} {route}")
    span.set_attribute("http.request.method", method)
    span.set_attribute("http.route", route)
    if status is not None:
        span.set_attribute("http.response.status_code", status)


def _method_of(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route_of(scope: Scope) -> str:
    """Returns the template of the route that has answered, never the requested path."""
    return getattr(scope.get("route"), "path", "none")
