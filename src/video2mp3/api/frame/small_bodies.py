"""Limits the bodies of routes that take JSON: the framework would read any number of bytes into memory."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive

MAX_BYTES = 64 * 1024


class SmallBodyRoute(APIRoute):
    """A route that answers 413 to a body of more than 64 KiB: `APIRouter(route_class=SmallBodyRoute)`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns the route's handler, with the bound before it."""
        handle = super().get_route_handler()

        async def handle_small(request: Request) -> Response:
            return await handle(Request(request.scope, _bounded(request.receive)))

        return handle_small


def _bounded(receive: Receive) -> Receive:
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BYTES:
            # The framework lets this one type through and makes a 400 of any other.
            raise HTTPException(413)
        return message

    return receive_bounded
