"""An event loop for what only waits, in a thread that is supervised as all loops are."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from video2mp3.supervision import Loop

T = TypeVar("T")

_TURN_S = 1.0
_STALL_AFTER_S = 30.0


class EventLoop(Loop):
    """Runs coroutines; one of its turns is a second of them all."""

    def __init__(self, name: str) -> None:
        """Nothing happens before `start`, after which other threads may call `submit`."""
        super().__init__(name, self._run_for_a_while, stall_after_s=_STALL_AFTER_S, on_end=self._cancel_all)
        self._events = asyncio.new_event_loop()
        self._ending = asyncio.Event()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Begins a coroutine, from any thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._events)

    def stop(self) -> None:
        """Ends the turn at once, and with it all coroutines."""
        super().stop()
        with suppress(RuntimeError):  # the thread has ended, and closed the event loop
            self._events.call_soon_threadsafe(self._ending.set)

    def _run_for_a_while(self) -> None:
        self._events.run_until_complete(self._turn())

    async def _turn(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TURN_S):
                await self._ending.wait()

    def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks(self._events)
        for task in tasks:
            task.cancel()
        if tasks:
            self._events.run_until_complete(asyncio.wait(tasks))
        self._events.close()


async def in_thread(executor: Executor, function: Callable[..., T], *arguments: Any) -> T:
    """Calls what blocks, in a thread that has the caller's context: what it logs belongs to the same trace."""
    call = partial(copy_context().run, function, *arguments)
    return await asyncio.get_running_loop().run_in_executor(executor, call)
