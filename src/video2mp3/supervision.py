"""Loops that others depend on: they outlive every exception, and what stops turning is reported.

A loop with a separate thread is a `Loop`: it calls a function turn after turn until `stop`. A loop that has its
thread or task already, such as a coroutine, has a `Watchdog` and does each turn within `turn()`:

    watchdog = Watchdog("deliveries", stall_after_s=60)
    watchdog.watch()
    try:
        while not stopped:
            with watchdog.turn():
                await deliver_next()
            await asyncio.sleep(watchdog.backoff_s)
    finally:
        watchdog.unwatch()

Steps of a turn that must not hold up each other are each done within `step()`; work whose length nobody knows,
such as a conversion, within `busy(at_most_s)`. An exception in any of them is logged and counted, and the loop goes on
after a back-off. A thread that ended all the same is restarted: after each turn, every loop looks after the others.

`/readyz`, `video2mp3 health` and the metrics read what is here: `stalled`, `ages_s` and `failures`. Each process has
one list of loops. The names of loops are labels of metrics: there are few of them, and no input is in them.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from video2mp3.backoff import backoff_s
from video2mp3.errors import Unavailable

log = structlog.get_logger()

FAILING_S = 60.0
"""A loop of which every turn has failed for this long is reported, however seldom it turns; outages do not count."""
_FIRST_BACKOFF_S = 1.0
_MAX_BACKOFF_S = 5.0

_watched: "set[Watchdog]" = set()
_failures: Counter[str] = Counter()


class Watchdog:
    """Knows when a loop has last turned. Written by the loop, read from any thread."""

    _survives: type[BaseException] = Exception

    def __init__(self, name: str, stall_after_s: float, max_backoff_s: float = _MAX_BACKOFF_S) -> None:
        """Nothing happens before `watch`.

        Args:
            name: One of few; two loops of a process may share it.
            stall_after_s: The longest time between two turns that succeed.
            max_backoff_s: The longest pause after turns that failed.
        """
        self.name = name
        self.stall_after_s = stall_after_s
        self.backoff_s = 0.0
        """How long to wait before the next turn: 0 after one that succeeded."""
        self._max_backoff_s = max_backoff_s
        self._failures_in_a_row = 0
        self._turned_at_s = time.monotonic()
        self._busy_until_s = float("-inf")
        self._failing_since_s: float | None = None
        self._last_failure: type[BaseException] | None = None
        self._step_failed = False

    def watch(self) -> None:
        """Reports this loop from now on."""
        self.feed()
        _failures[self.name] += 0  # a series that begins at 0 hides no first failure
        _watched.add(self)

    def unwatch(self) -> None:
        """Reports this loop no more: it has ended as it should."""
        _watched.discard(self)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Does one turn. Nothing that it raises leaves the block, but what ends a coroutine."""
        self._step_failed = False
        try:
            yield
        except self._survives as error:
            self._note_failure(error)
        else:
            if not self._step_failed:
                self._note_success()

    @contextmanager
    def step(self) -> Iterator[None]:
        """Does a part of a turn. What fails in it fails the turn, but the parts after it are done."""
        try:
            yield
        except self._survives as error:
            self._note_failure(error)

    @contextmanager
    def busy(self, at_most_s: float) -> Iterator[None]:
        """Does work that may take so long without the loop being taken for stalled."""
        self._busy_until_s = time.monotonic() + at_most_s
        try:
            yield
        finally:
            self._busy_until_s = float("-inf")
            self.feed()

    def feed(self) -> None:
        """Gives a sign of life in the middle of a turn."""
        self._turned_at_s = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """True while it does work that was declared with `busy`."""
        return self._busy_until_s > time.monotonic()

    @property
    def age_s(self) -> float:
        """The time since the last turn that succeeded, or sign of life."""
        return max(0.0, time.monotonic() - max(self._turned_at_s, self._busy_until_s))

    @property
    def is_stalled(self) -> bool:
        """True when it has not turned in time, or only failed for a while."""
        since_s = self._failing_since_s
        failing_s = 0.0 if since_s is None else time.monotonic() - since_s
        return self.age_s > self.stall_after_s or failing_s > min(FAILING_S, self.stall_after_s)

    def restart_if_ended(self) -> None:
        """Starts the loop's thread again, where it has one that ended."""

    def _note_success(self) -> None:
        self.feed()
        if self.backoff_s:
            log.info("loop_recovered", loop=self.name)
        self._last_failure = self._failing_since_s = None
        self._failures_in_a_row = 0
        self.backoff_s = 0.0

    def _note_failure(self, error: BaseException) -> None:
        """Counts every failure, but says only once that something is wrong, not at every turn."""
        _failures[self.name] += 1
        self._step_failed = True
        if isinstance(error, Unavailable):
            # The loop turns; what is away is reported as such.
            self.feed()
        else:
            self._failing_since_s = self._failing_since_s or time.monotonic()
        self._failures_in_a_row += 1
        self.backoff_s = backoff_s(self._failures_in_a_row, first_s=_FIRST_BACKOFF_S, max_s=self._max_backoff_s)
        is_new, self._last_failure = type(error) is not self._last_failure, type(error)
        if is_new and isinstance(error, Unavailable):
            log.warning("loop_interrupted", loop=self.name, error=error.code, detail=error.detail)
        elif is_new:
            log.error("loop_failed", loop=self.name, exc_info=error)


class Loop(Watchdog):
    """A thread that calls a function again and again, until `stop`; not even SystemExit ends it."""

    _survives = BaseException

    def __init__(
        self,
        name: str,
        function: Callable[[], object],
        *,
        stall_after_s: float,
        every_s: float = 0.0,
        max_backoff_s: float = _MAX_BACKOFF_S,
        stopping: threading.Event | None = None,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        """Nothing happens before `start`.

        Args:
            name: See `Watchdog`.
            function: One turn.
            stall_after_s: See `Watchdog`.
            every_s: The pause between two turns, which `wake` cuts short.
            max_backoff_s: See `Watchdog`.
            stopping: Ends the loop, for an event that several loops share; none: a separate one.
            on_end: Called once in the thread, after the last turn.
        """
        super().__init__(name, stall_after_s, max_backoff_s)
        self._function = function
        self._every_s = every_s
        self._stopping = stopping or threading.Event()
        self._on_end = on_end
        self._woken = threading.Event()
        self._lock = threading.Lock()
        self._thread = self._new_thread()

    def start(self) -> None:
        """Starts the thread and returns."""
        # Watched first, since the loop may end at once; within the lock, so that nobody takes it for ended meanwhile.
        with self._lock:
            self.watch()
            self._thread.start()

    def wake(self) -> None:
        """Lets the next turn begin at once, but not after a failure: that would only hammer at what is broken."""
        self._woken.set()

    def stop(self) -> None:
        """Ends the loop when its turn is over, and returns at once."""
        self._stopping.set()
        self._woken.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Waits for the end after `stop`, at most `timeout_s` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def is_alive(self) -> bool:
        """True while it has not ended."""
        return self._thread.is_alive()

    def restart_if_ended(self) -> None:
        """See `Watchdog`."""
        with self._lock:
            if self._thread.is_alive() or self._stopping.is_set():
                return
            self._thread = self._new_thread()
            self._thread.start()
        _failures[self.name] += 1
        log.error("loop_restarted", loop=self.name)

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name=self.name, daemon=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Cleared before the turn: who wakes the loop during it leads to another one.
            self._woken.clear()
            with self.turn():
                self._function()
            restart_ended()
            if self.backoff_s:
                self._stopping.wait(self.backoff_s)
            elif self._every_s and not self._stopping.is_set():
                self._woken.wait(self._every_s)
        self.unwatch()
        with self.step():
            self._on_end()


def restart_ended() -> None:
    """Starts the threads again that ended without having been stopped."""
    for watchdog in tuple(_watched):
        watchdog.restart_if_ended()


def stalled() -> tuple[str, ...]:
    """Returns the names of the loops that do not turn, in alphabetical order."""
    restart_ended()
    return tuple(sorted({watchdog.name for watchdog in tuple(_watched) if watchdog.is_stalled}))


def ages_s() -> Mapping[str, float]:
    """Returns for each loop how long ago it has last turned."""
    ages: dict[str, float] = {}
    for watchdog in tuple(_watched):
        ages[watchdog.name] = max(watchdog.age_s, ages.get(watchdog.name, 0.0))
    return ages


def failures() -> Mapping[str, int]:
    """Returns for each loop that there has been in this process how often it failed."""
    return dict(_failures)
