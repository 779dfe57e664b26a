"""The threads that answer requests, shared fairly: no caller takes more than its share of them.

Every blocking step of a request runs in a thread of the framework's pool. The pool's own limiter takes the steps in the
order in which they come: who sends a thousand requests at once lets everybody else wait for all of them. This one holds
a queue for each caller, runs few steps of each at a time, and lets the callers take turns where all threads are busy.
"""

import asyncio
from collections import OrderedDict, deque
from contextvars import ContextVar
from typing import Any, cast

from anyio._backends._asyncio import _default_thread_limiter

THREADS = 40
"""Steps of all callers that run at once: as many as the framework runs by default."""
THREADS_PER_CALLER = 2
"""Steps of one caller that run at once. They contend for one interpreter, so more of them take longer, not less."""

current_caller: ContextVar[str | None] = ContextVar("current_caller", default=None)
"""Whose steps these are; None: the service's own, which are not limited."""


class FairThreads:
    """A capacity limiter that counts per caller. Used from one event loop."""

    def __init__(self, threads: int = THREADS, threads_per_caller: int = THREADS_PER_CALLER) -> None:
        self._threads = threads
        self._threads_per_caller = threads_per_caller
        self._running: dict[str | None, int] = {}
        # The callers whose steps wait; the one that was served least lately first.
        self._waiting: OrderedDict[str | None, deque[asyncio.Future[None]]] = OrderedDict()

    async def __aenter__(self) -> None:
        """Waits until the current caller may run one more step."""
        await self.enter(current_caller.get())

    async def __aexit__(self, *_: object) -> None:
        """Lets the next step run."""
        self.leave(current_caller.get())

    async def enter(self, caller: str | None) -> None:
        """Waits until that caller may run one more step; `leave` has to follow."""
        if caller not in self._waiting and self._may_run(caller):
            self._start(caller)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                # Its turn had come in the moment in which it was cancelled.
                self.leave(caller)
            else:
                self._forget(caller, turn)
            raise

    def _may_run(self, caller: str | None) -> bool:
        if caller is None:
            return True
        running = self._running.get(caller, 0)
        return running < self._threads_per_caller and sum(self._running.values()) < self._threads

    def _start(self, caller: str | None) -> None:
        self._running[caller] = self._running.get(caller, 0) + 1

    def leave(self, caller: str | None) -> None:
        """Lets the next step run. Never raises: it is called where a request ends, however that ends."""
        running = self._running.pop(caller, 0) - 1
        if running > 0:
            self._running[caller] = running
        for waiting in list(self._waiting):
            if self._may_run(waiting):
                self._serve(waiting)

    def _serve(self, caller: str | None) -> None:
        turns = self._waiting[caller]
        while turns:
            turn = turns.popleft()
            # Cancelling a task cancels its turn at once, but the task comes to forget it only later.
            if not turn.done():
                self._start(caller)
                turn.set_result(None)
                break
        if turns:
            self._waiting.move_to_end(caller)
        else:
            del self._waiting[caller]

    def _forget(self, caller: str | None, turn: "asyncio.Future[None]") -> None:
        turns = self._waiting.get(caller, deque())
        if turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[caller]


def install() -> None:
    """Lets the running event loop's thread pool be shared fairly, from now on."""
    if not isinstance(_default_thread_limiter.get(None), FairThreads):
        # The framework calls its thread pool without a limiter of the caller's, and there is no public way to set
        # another one for all.
        _default_thread_limiter.set(cast("Any", FairThreads()))
