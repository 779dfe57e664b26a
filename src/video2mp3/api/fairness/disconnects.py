"""Waits until the client of a request closes its connection."""

from starlette.requests import Request


async def wait_for_disconnect(request: Request) -> None:
    """Returns when the client has disconnected. Call it only after the whole body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
