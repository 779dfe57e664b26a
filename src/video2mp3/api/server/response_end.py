"""What follows the last byte of a response where uvicorn's own way would cost the client something."""

from asyncio import Transport
from collections.abc import Callable
from typing import Any

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class ClosingTransport(Transport):
    """The transport of one response, which closes the connection in its own way."""

    def __init__(self, transport: Transport, close: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._close = close

    def write(self, data: Any) -> None:
        """Sends some of the response."""
        self._transport.write(data)

    def is_closing(self) -> bool:
        """Returns whether nothing more can be sent."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Closes the connection."""
        self._close()


def delimit_by_close(cycle: RequestResponseCycle) -> None:
    """Lets a body without Content-Length last until the connection ends: HTTP/1.0 has no chunks (RFC 9112, 6.3)."""
    send = cycle.send
    is_delimited = True

    async def send_unchunked(message: Message) -> None:
        nonlocal is_delimited
        if message["type"] == "http.response.start":
            is_delimited = any(name.lower() == b"content-length" for name, _ in message["headers"])
            if not is_delimited:
                cycle.chunked_encoding = False
        elif not is_delimited:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)  # type: ignore[arg-type]  # uvicorn's types of messages are private

    cycle.send = send_unchunked  # type: ignore[method-assign, assignment]  # for this response alone
