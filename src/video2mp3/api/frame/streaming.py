"""Passes request bodies from the event loop to blocking code, piece by piece."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

from starlette.requests import ClientDisconnect, Request

from video2mp3.api.fairness.transfers import run_transfer
from video2mp3.api.frame.multipart import FormReader
from video2mp3.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType, UploadIncomplete, UploadTooLarge

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

# Bytes gathered before a thread is woken: pieces have 64 KiB at most, and are often far smaller. The second figure
# limits all bodies together, so that many slow clients cost little more memory than few.
_BATCH_SIZE_BYTES = 256 * 1024
_GATHERED_BYTES = 4 * 1024**2


class Sink(Protocol):
    """A consumer of a body."""

    def write(self, data: bytes) -> None:
        """Takes the next bytes; blocking."""


class Incoming(Sink, Protocol[T_co]):
    """A file that is being received."""

    name: str

    def finish(self) -> T_co:
        """Returns the stored file; blocking."""

    def abort(self) -> None:
        """Removes what was stored; blocking."""


def declared_size_bytes(request: Request, limit_bytes: int) -> int | None:
    """Returns the body's declared size, None where the client declares none.

    Raises:
        UploadTooLarge: when it exceeds the limit, before anything is read.
        UnsupportedMediaType: when the body is compressed.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the file as it is, without a Content-Encoding.")
    declared = request.headers.get("content-length")
    if declared is None:
        return None
    if not (declared.isascii() and declared.isdigit()):
        raise InvalidRequest("The Content-Length is not a number.")
    # The length first: Python refuses to parse numbers of thousands of digits.
    if len(declared) > 19 or int(declared) > limit_bytes:
        raise UploadTooLarge(f"The file exceeds the limit of {limit_bytes} bytes.")
    return int(declared)


class _Batches:
    """The bodies that are being read now."""

    def __init__(self) -> None:
        self._bodies = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        self._bodies += 1
        try:
            yield
        finally:
            self._bodies -= 1

    @property
    def size_bytes(self) -> int:
        """How much each body may gather."""
        return min(_BATCH_SIZE_BYTES, _GATHERED_BYTES // self._bodies)


_batches = _Batches()


async def feed(request: Request, sink: Sink) -> None:
    """Writes the whole body to the sink, from a thread.

    Raises:
        UploadIncomplete: when the client disconnects before the end; the sink has all bytes received until then.
    """
    batch: list[bytes] = []
    size_bytes = 0
    with _batches.one_more():
        try:
            async for piece in request.stream():
                batch.append(piece)
                size_bytes += len(piece)
                if size_bytes >= _batches.size_bytes:
                    await _give(sink, batch)
                    size_bytes = 0
        except ClientDisconnect:
            await _give(sink, batch)
            raise UploadIncomplete from None
        await _give(sink, batch)


async def _give(sink: Sink, batch: list[bytes]) -> None:
    data = b"".join(batch)
    batch.clear()
    await run_transfer(partial(sink.write, data))


async def abort(incoming: Incoming[object]) -> None:
    """Removes the stored bytes, even while the request itself is being cancelled."""
    await finally_in_thread(incoming.abort)


async def finally_in_thread(step: Callable[[], object]) -> None:
    """Runs a blocking step to its end, even while the request itself is being cancelled."""
    # Started before the first await, because a server that shuts down cancels twice; and in the loop's default threads,
    # for which the server waits.
    await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, step))


async def receive_file(request: Request, incoming: Incoming[T]) -> T:
    """Stores the body as one file; on any error nothing stays stored."""
    try:
        await feed(request, incoming)
        return await run_transfer(incoming.finish)
    except BaseException:
        await abort(incoming)
        raise


async def receive_form(
    request: Request, incoming: Incoming[T], check: Callable[[Mapping[str, str]], object]
) -> tuple[T, Mapping[str, str]]:
    """Stores the file of a multipart form; on any error nothing stays stored.

    `check` raises an error for invalid fields. It is called with the fields before the file, before the file is stored,
    and at the end with all fields. Returns the stored file and the fields.
    """

    def begin_file(name: str) -> None:
        incoming.name = name
        check(form.fields)

    form = FormReader(request.headers.get("content-type", ""), begin_file, incoming.write)
    try:
        await feed(request, form)
        form.finish()
        check(form.fields)
        return await run_transfer(incoming.finish), form.fields
    except BaseException:
        await abort(incoming)
        raise


async def read_small(request: Request, limit_bytes: int) -> bytes:
    """Returns a whole body of at most `limit_bytes`.

    Raises:
        RequestTooLarge: when it is larger.
        UploadIncomplete: when the client disconnects before the end.
    """
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > limit_bytes:
                raise RequestTooLarge
    except ClientDisconnect:
        raise UploadIncomplete from None
    return bytes(body)
