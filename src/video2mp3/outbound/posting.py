"""Posts small messages on an event loop, so that hundreds of deliveries can wait at the same time."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor

import h11

from video2mp3.errors import Unreachable
from video2mp3.outbound.addresses import Address
from video2mp3.outbound.connection import open_stream, tls_context
from video2mp3.outbound.exchange import OWN_HEADERS, SMALL_BODY_BYTES, Answer, broken_off
from video2mp3.outbound.guard import Guard
from video2mp3.outbound.response import MAX_INTERIM_RESPONSES
from video2mp3.outbound.urls import Target, parse


async def post(
    url: str, body: bytes, headers: Mapping[str, str], *, guard: Guard, timeout_s: float, resolver: Executor
) -> Answer:
    """Posts a small message; follows no redirects.

    Args:
        url: http or https.
        body: The message.
        headers: Headers of the request.
        guard: Decides which addresses are allowed.
        timeout_s: Time for everything after the DNS lookup.
        resolver: Executor for DNS lookups, which block a thread until the system's resolver gives up.

    Raises:
        UrlRejected: when the guard rejects the URL.
        Unreachable: when there is no response in time.
    """
    target = parse(url)
    # Without timeout: a lookup cannot be canceled, and a retry would start another one beside it.
    addresses, tls = await asyncio.get_running_loop().run_in_executor(resolver, _prepare, guard, target)
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(target, addresses, tls, body, headers)
    except TimeoutError:
        raise Unreachable("The other server took too long.") from None
    except (OSError, h11.ProtocolError) as error:
        raise broken_off(target, error) from error


def _prepare(guard: Guard, target: Target) -> tuple[Sequence[Address], ssl.SSLContext | None]:
    """Runs the blocking steps: the DNS lookup, and loading the trusted certificates."""
    return guard.addresses(target), tls_context() if target.scheme == "https" else None


async def _exchange(
    target: Target, addresses: Sequence[Address], tls: ssl.SSLContext | None, body: bytes, headers: Mapping[str, str]
) -> Answer:
    reader, writer = await open_stream(target, addresses, tls)
    try:
        connection = h11.Connection(h11.CLIENT)
        own = {**OWN_HEADERS, "Host": target.netloc, "Connection": "close", "Content-Length": str(len(body))}
        request = h11.Request(method="POST", target=target.path, headers=list({**own, **headers}.items()))
        for event in (request, h11.Data(data=body), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        # No `drain`, so that a response that arrives before the server has read the whole message is still read.
        return await _answer(reader, connection)
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, connection: h11.Connection) -> Answer:
    """Reads the status, the headers and the first bytes of the body. Raises OSError, h11.ProtocolError."""
    response: h11.Response | None = None
    interim, body = 0, b""
    while len(body) < SMALL_BODY_BYTES:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.InformationalResponse):
            interim += 1
            if interim > MAX_INTERIM_RESPONSES:
                raise h11.RemoteProtocolError("too many interim responses")
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            break
    if response is None:
        raise h11.RemoteProtocolError("no answer")
    names = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    return Answer(response.status_code, names, body[:SMALL_BODY_BYTES])
