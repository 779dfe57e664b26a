"""Supervised loops: they survive every exception, and stalled loops are reported.

A loop with a separate thread is a `Loop`: it calls a function repeatedly until `stop`. A loop that already has a thread
or task, such as a coroutine, uses a `Watchdog` and runs each turn within `turn()`:

    watchdog = Watchdog("deliveries", stall_after_s=60)
    watchdog.watch()
    try:
        while not stopped:
            with watchdog.turn():
                await deliver_next()
            await asyncio.sleep(watchdog.backoff_s)
    finally:
        watchdog.unwatch()

Independent steps of a turn run within `step()`. Work of unknown duration, such as a conversion, runs within
`busy(at_most_s)`. An exception in any of them is logged and counted, and the loop continues after a back-off. After
each turn, every loop restarts the threads of other loops that have ended.

`/readyz`, `video2mp3 health` and the metrics read `stalled`, `ages_s` and `failures`. Each process has one list of
loops. The names of loops are labels of metrics, so they are few and contain no input.
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
"""A loop whose turns have all failed for this long is reported; outages of dependencies do not count."""
_FIRST_BACKOFF_S = 1.0
_MAX_BACKOFF_S = 5.0

_watched: "set[Watchdog]" = set()
_failures: Counter[str] = Counter()


class Watchdog:
    """Records when a loop last completed a turn. The loop writes it; any thread may read it."""

    _survives: type[BaseException] = Exception

    def __init__(self, name: str, stall_after_s: float, max_backoff_s: float = _MAX_BACKOFF_S) -> None:
        """Monitoring starts with `watch`.

        Args:
            name: The loop's name; several loops of a process may share it.
            stall_after_s: The longest time between two successful turns.
            max_backoff_s: The longest pause after failed turns.
        """
        self.name = name
        self.stall_after_s = stall_after_s
        self.backoff_s = 0.0
        """The pause before the next turn: 0 after a successful one."""
        self._max_backoff_s = max_backoff_s
        self._failures_in_a_row = 0
        self._turned_at_s = time.monotonic()
        self._busy_until_s = float("-inf")
        self._failing_since_s: float | None = None
        self._last_failure: type[BaseException] | None = None
        self._step_failed = False

    def watch(self) -> None:
        """Starts monitoring this loop."""
        self.feed()
        _failures[self.name] += 0  # a series that starts at 0 shows the first failure
        _watched.add(self)

    def unwatch(self) -> None:
        """Stops monitoring this loop, which has ended regularly."""
        _watched.discard(self)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Runs one turn. Handles all exceptions except those that end a coroutine."""
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
        """Runs a step of a turn. An exception fails the turn, but the following steps still run."""
        try:
            yield
        except self._survives as error:
            self._note_failure(error)

    @contextmanager
    def busy(self, at_most_s: float) -> Iterator[None]:
        """Runs long work, during which the loop does not count as stalled."""
        self._busy_until_s = time.monotonic() + at_most_s
        try:
            yield
        finally:
            self._busy_until_s = float("-inf")
            self.feed()

    def feed(self) -> None:
        """Reports activity within a turn."""
        self._turned_at_s = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """True within `busy`."""
        return self._busy_until_s > time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the last successful turn or `feed`."""
        return max(0.0, time.monotonic() - max(self._turned_at_s, self._busy_until_s))

    @property
    def is_stalled(self) -> bool:
        """True if no turn succeeded in time, or if turns keep failing."""
        since_s = self._failing_since_s
        failing_s = 0.0 if since_s is None else time.monotonic() - since_s
        return self.age_s > self.stall_after_s or failing_s > min(FAILING_S, self.stall_after_s)

    def restart_if_ended(self) -> None:
        """Restarts the loop's thread if it has ended."""

    def _note_success(self) -> None:
        self.feed()
        if self.backoff_s:
            log.info("loop_recovered", loop=self.name)
        self._last_failure = self._failing_since_s = None
        self._failures_in_a_row = 0
        self.backoff_s = 0.0

    def _note_failure(self, error: BaseException) -> None:
        """Counts every failure, but logs only the first of a series."""
        _failures[self.name] += 1
        self._step_failed = True
        if isinstance(error, Unavailable):
            # The loop works; the unavailable dependency is reported elsewhere.
            self.feed()
        else:
            self._failing_since_s = self._failing_since_s or time.monotonic()
        self._failures_in_a_row += 1
        self.backoff_s = backoff_s(self._failures_in_a_row, first_s=_FIRST_BACKOFF_S, max_s=self._max_backoff_s)
        is_new, self._last_failure = type(error) is not self._last_failure, type(error)
        if is_new and isinstance(error, Unavailable):
            log.warning("loop_interrupted", loop=self.name, error=error.code, reason=error.reason)
        elif is_new:
            log.error("loop_failed", loop=self.name, exc_info=error)


class Loop(Watchdog):
    """A thread that calls a function repeatedly until `stop`; even SystemExit does not end it."""

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
        """The work begins with `start`.

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
        # Watched first, because the loop may end at once. The lock prevents another loop from restarting it meanwhile.
        with self._lock:
            self.watch()
            self._thread.start()

    def wake(self) -> None:
        """Starts the next turn at once, except after a failure, when the back-off applies."""
        self._woken.set()

    def stop(self) -> None:
        """Ends the loop after its present turn; returns at once."""
        self._stopping.set()
        self._woken.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Waits for the end after `stop`, at most `timeout_s` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def is_alive(self) -> bool:
        """True until the thread has ended."""
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
            # Cleared before the turn, so that a `wake` during the turn causes another one.
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
    """Restarts the threads that ended without `stop`."""
    for watchdog in tuple(_watched):
        watchdog.restart_if_ended()


def stalled() -> tuple[str, ...]:
    """Returns the names of the stalled loops, sorted."""
    restart_ended()
    return tuple(sorted({watchdog.name for watchdog in tuple(_watched) if watchdog.is_stalled}))


def ages_s() -> Mapping[str, float]:
    """Returns for each loop the seconds since its last successful turn."""
    ages: dict[str, float] = {}
    for watchdog in tuple(_watched):
        ages[watchdog.name] = max(watchdog.age_s, ages.get(watchdog.name, 0.0))
    return ages


def failures() -> Mapping[str, int]:
    """Returns the number of failures of every loop that this process has run."""
    return dict(_failures)
