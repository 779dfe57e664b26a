"""Long work of requests: a few dedicated threads, with a bounded queue for each user.

The pool that answers requests has 40 threads for all users. Work that takes seconds never runs or waits there, because
it would delay everybody. Here a request waits in the event loop, which costs no thread, and a full queue refuses it
at once.
"""

import asyncio
import contextvars
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar, cast

from starlette.requests import ClientDisconnect, Request

from video2mp3.api.fairness.disconnects import wait_for_disconnect
from video2mp3.api.fairness.limit_log import record_refusal
from video2mp3.errors import Overloaded, StillRunning, TooManyWaiting
from video2mp3.telemetry import metrics

T = TypeVar("T")


class _Task(Generic[T]):
    """One piece of work, and the number of requests that wait for it."""

    def __init__(self, user_id: str, key: Hashable, work: Callable[[], T], done: "asyncio.Future[T]") -> None:
        self.user_id = user_id
        self.key = key
        self.work = work
        self.done = done
        self.waiters = 0
        self.context = contextvars.copy_context()
        # If no request waits any more, none retrieves the error either.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())


class FairExecutor:
    """Runs blocking work of requests, a few at a time, users in turn. Used from one event loop.

    A thread starts for each piece of work and ends with it, so no work can end a thread that others depend on.
    The scheduling itself happens in the event loop and needs no locks.
    """

    def __init__(self, name: str, *, threads: int, per_user_queue: int, queue: int) -> None:
        """Nothing is started yet.

        Args:
            name: for metrics, the log and the threads.
            threads: so much work runs at once, of each user one piece.
            per_user_queue: so much work of one user may wait.
            queue: so much work of all users may wait.
        """
        self._name = name
        self._threads = threads
        self._per_user_queue = per_user_queue
        self._queue = queue
        self._waiting: OrderedDict[str, deque[_Task[object]]] = OrderedDict()
        """By user, the one whose turn it is first; no empty queues."""
        self._waiting_count = 0
        self._running: set[str] = set()
        """The users whose work runs."""
        self._by_key: dict[Hashable, _Task[object]] = {}

    async def run(
        self, request: Request, user_id: str, work: Callable[[], T], *, patience_s: float, key: Hashable | None = None
    ) -> T:
        """Returns the result of the work, or raises its error. Requests with the same `key` share one run.

        When the client disconnects, work that has not begun and that nobody else waits for leaves the queue.

        Raises:
            TooManyWaiting: at once, when the user's queue is full.
            Overloaded: at once, when the queue of all users is full.
            StillRunning: when it is not done after `patience_s`; the work goes on.
            ClientDisconnect: when the client closed the connection.
        """
        task = self._submit(user_id, work, key)
        task.waiters += 1
        disconnect = asyncio.create_task(wait_for_disconnect(request))
        left = True
        try:
            awaited: set[asyncio.Future[Any]] = {task.done, disconnect}
            await asyncio.wait(awaited, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done.done():
                # Requests that share a key ask for the same work, so for a result of the same type.
                return cast("T", task.done.result())
            if disconnect.done():
                raise ClientDisconnect
            left = False
            raise StillRunning
        finally:
            task.waiters -= 1
            if left and not task.waiters:
                self._withdraw(task)
            disconnect.add_done_callback(lambda future: future.cancelled() or future.exception())
            disconnect.cancel()
            # Not awaited directly: a cancellation of this request would be taken for the task's own and be lost.
            await asyncio.wait({disconnect})

    def _submit(self, user_id: str, work: Callable[[], T], key: Hashable | None) -> "_Task[object]":
        if key is not None and key in self._by_key:
            return self._by_key[key]
        if len(self._waiting.get(user_id, ())) >= self._per_user_queue:
            record_refusal(f"{self._name}_per_user", user_id=user_id)
            raise TooManyWaiting
        if self._waiting_count >= self._queue:
            record_refusal(self._name)
            raise Overloaded("Too many requests of this kind are waiting; try again later.")
        task: _Task[object] = _Task(user_id, key, work, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(user_id, deque()).append(task)
        self._waiting_count += 1
        if key is not None:
            self._by_key[key] = task
        self._start_next()
        return task

    def _withdraw(self, task: _Task[object]) -> None:
        queue = self._waiting.get(task.user_id)
        if queue is not None and task in queue:
            queue.remove(task)
            self._forget(task, queue)
            self._by_key.pop(task.key, None)
            task.done.cancel()

    def _forget(self, task: _Task[object], queue: deque[_Task[object]]) -> None:
        self._waiting_count -= 1
        if not queue:
            del self._waiting[task.user_id]
        self._measure()

    def _start_next(self) -> None:
        while len(self._running) < self._threads and (task := self._next()):
            self._running.add(task.user_id)
            self._measure()
            loop = asyncio.get_running_loop()
            thread = threading.Thread(target=_run, args=(task, loop, self._end), name=f"{self._name}-work", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system has no thread left
                # Later: from here each task of the queue would be ended inside the end of the one before it.
                loop.call_soon(self._end, task, None, Overloaded())
        self._measure()

    def _next(self) -> _Task[object] | None:
        for user_id, queue in self._waiting.items():
            if user_id not in self._running:
                task = queue.popleft()
                self._waiting.move_to_end(user_id)
                self._forget(task, queue)
                return task
        return None

    def _end(self, task: _Task[object], result: object, error: BaseException | None) -> None:
        self._running.remove(task.user_id)
        self._by_key.pop(task.key, None)
        if not task.done.done():
            if error is not None:
                task.done.set_exception(error)
            else:
                task.done.set_result(result)
        self._start_next()

    def _measure(self) -> None:
        metrics.WORK_WAITING.labels(self._name).set(self._waiting_count)
        metrics.WORK_RUNNING.labels(self._name).set(len(self._running))


def _run(
    task: _Task[object],
    loop: asyncio.AbstractEventLoop,
    end: Callable[[_Task[object], object, BaseException | None], None],
) -> None:
    """Runs in the thread. Whatever the work does, its end is told."""
    result: object = None
    error: BaseException | None = None
    try:
        result = task.context.run(task.work)
    except StopIteration as stopped:  # a future takes any error but this one
        error = RuntimeError(stopped)
    except BaseException as raised:
        error = raised
    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
        loop.call_soon_threadsafe(end, task, result, error)
