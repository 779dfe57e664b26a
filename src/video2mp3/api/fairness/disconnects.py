"""Tells when the client of a request has closed its connection."""

from starlette.requests import Request


async def client_gone(request: Request) -> None:
    """Returns when the client has disconnected. To be called when the body has been read, or where there is none."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
