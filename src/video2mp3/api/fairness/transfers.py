"""Threads for the bytes of uploads and downloads, separate from those that answer requests.

A slow storage can occupy these threads, but `/v1/me` and logins do not wait for them. A slow client occupies none: each
piece takes a thread for as long as the storage needs, and the event loop waits for the client.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from video2mp3.api.fairness.fair_threads import FairThreads

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 40
# More than for other steps: these threads wait for the storage, not for the interpreter.
_THREADS_PER_CALLER = 4
_limiter: RunVar[CapacityLimiter] = RunVar("video2mp3_transfers")


async def run_transfer(work: Callable[[], T]) -> T:
    """Returns the result of blocking work on the storage, done in one of these threads."""
    return await to_thread.run_sync(work, limiter=_limiter_of_loop())


def in_transfer_thread(endpoint: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Runs a blocking endpoint that reads stored bytes in one of these threads.

    The endpoint reads its first piece before the status is sent, so a deleted file answers 404 and not half a file.
    """

    @wraps(endpoint)
    async def run(*arguments: P.args, **named: P.kwargs) -> T:
        return await run_transfer(partial(endpoint, *arguments, **named))

    return run


async def iterate(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yields what a blocking iterator does, each piece read in one of these threads."""
    while (piece := await run_transfer(lambda: next(pieces, None))) is not None:
        yield piece


def _limiter_of_loop() -> CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = cast("CapacityLimiter", FairThreads(_THREADS, _THREADS_PER_CALLER))
        _limiter.set(limiter)
        return limiter
