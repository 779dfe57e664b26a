"""HEAD wherever GET is (RFC 9110, section 9.3.2): the same answer without its body."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def methods_of(app: FastAPI, path: str) -> set[str]:
    """Returns the methods of all routes that match a path; empty if none does."""
    found: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if route.methods and route.path_regex.match(path):
            found |= route.methods
    return found


class HeadAsGet:
    """Pure ASGI middleware: lets the GET route answer a HEAD request that has no route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            methods = methods_of(scope["app"], scope["path"])
            if "GET" in methods and "HEAD" not in methods:
                as_get = {**scope, "method": "GET"}
                await self._app(as_get, receive, _Bodiless(send).send)
                # For the metrics and the log.
                scope["route"] = as_get.get("route")
                return
        await self._app(scope, receive, send)


class _Bodiless:
    """Ends the response where its body begins. The server then cancels a stream."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._ended = False

    async def send(self, message: Message) -> None:
        if self._ended:
            return
        if message["type"] == "http.response.body":
            self._ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)
