"""Loops outlive what happens in them, and what does not turn is reported."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from tests.servers import wait_until
from video2mp3 import supervision
from video2mp3.database.connection import Database
from video2mp3.errors import QueueUnavailable
from video2mp3.supervision import Loop, Watchdog

FAST_S = 0.01


@contextmanager
def running(function: Callable[[], object], *, stall_after_s: float = 60.0) -> Iterator[Loop]:
    loop = Loop("tested", function, stall_after_s=stall_after_s, every_s=FAST_S, max_backoff_s=FAST_S)
    loop.start()
    try:
        yield loop
    finally:
        loop.stop()
        loop.join(10)


class Turns:
    """Counts the turns of a loop, of which the first ones raise."""

    def __init__(self, error: BaseException, failing: float = float("inf")) -> None:
        self.count = 0
        self._error = error
        self._failing = failing

    def __call__(self) -> None:
        self.count += 1
        if self.count <= self._failing:
            raise self._error


@pytest.mark.parametrize("error", [ValueError("a bug"), MemoryError(), SystemExit(), KeyboardInterrupt()])
def test_no_exception_ends_a_loop(error: BaseException) -> None:
    """It should count each failure, log the first, and turn again."""
    before = supervision.failures().get("tested", 0)
    turns = Turns(error)
    with capture_logs() as logs, running(turns) as loop:
        wait_until(lambda: turns.count >= 5, 10, "more turns")
        assert loop.is_alive()
    assert supervision.failures()["tested"] - before == turns.count
    assert [entry["event"] for entry in logs] == ["loop_failed"]


def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    """It should name the part that is away, without a traceback."""
    away = Database("mysql+pymysql://nobody@127.0.0.1:1/nothing")
    calls: list[int] = []

    def turn() -> None:
        calls.append(1)
        if len(calls) <= 4:
            away.check()

    with capture_logs() as logs, running(turn):
        wait_until(lambda: len(calls) >= 6, 20, "turns after the outage")
    assert [entry["event"] for entry in logs] == ["loop_interrupted", "loop_recovered"]
    assert logs[0]["error"] == "database_unavailable"
    assert "exc_info" not in logs[0]


def test_a_loop_that_hangs_is_reported_until_it_turns_again() -> None:
    go_on = threading.Event()
    with running(lambda: go_on.wait(60), stall_after_s=0.2):
        wait_until(lambda: "tested" in supervision.stalled(), 10, "the report")
        assert supervision.ages_s()["tested"] > 0.2
        go_on.set()
        wait_until(lambda: "tested" not in supervision.stalled(), 10, "the end of the report")
    assert "tested" not in supervision.ages_s()


def test_a_loop_that_only_fails_is_reported_however_seldom_it_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "FAILING_S", 0.1)
    turns = Turns(ValueError("a bug"))
    with running(turns, stall_after_s=3600):
        wait_until(lambda: "tested" in supervision.stalled(), 10, "the report")


def test_a_step_that_fails_holds_up_no_other_and_fails_the_turn() -> None:
    done: list[str] = []
    watchdog = Watchdog("tested", 60)
    with watchdog.turn():
        with watchdog.step():
            done.remove("what is not there")
        done.append("after")
    assert done == ["after"]
    assert watchdog.backoff_s > 0
    with watchdog.turn():
        pass
    assert watchdog.backoff_s == 0


def test_work_of_unknown_length_is_not_taken_for_a_stall() -> None:
    watchdog = Watchdog("tested", stall_after_s=0.05)
    with watchdog.busy(at_most_s=30):
        time.sleep(0.1)
        assert not watchdog.is_stalled
    with watchdog.busy(at_most_s=0.05):
        time.sleep(0.2)
        assert watchdog.is_stalled


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_restarted_by_another_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should turn again even where the guard itself raised: here the log, whose disk is full."""
    turns = Turns(ValueError("a bug"), failing=1)
    with running(lambda: None), running(turns) as loop:
        with monkeypatch.context() as broken:
            broken.setattr(loop, "_note_failure", lambda _: (_ for _ in ()).throw(OSError("no space left")))
            turns.count = 0
            wait_until(lambda: turns.count >= 1, 10, "the turn that ends the thread")
        wait_until(lambda: turns.count >= 3, 10, "turns in a new thread")
        assert loop.is_alive()


def test_a_stopped_loop_stays_stopped() -> None:
    ended: list[str] = []
    loop = Loop("tested", lambda: None, stall_after_s=60, every_s=FAST_S, on_end=lambda: ended.append("ended"))
    loop.start()
    loop.stop()
    loop.join(10)
    supervision.restart_ended()
    assert (loop.is_alive(), ended) == (False, ["ended"])


def test_a_loop_that_ends_at_once_is_not_reported() -> None:
    stopping = threading.Event()
    stopping.set()
    for _ in range(50):
        loop = Loop("tested", lambda: None, stall_after_s=60, stopping=stopping)
        loop.start()
        loop.join(10)
        assert "tested" not in supervision.ages_s()


def test_a_loop_is_woken_before_its_pause_is_over() -> None:
    turns = Turns(ValueError(), failing=0)
    loop = Loop("tested", turns, stall_after_s=60, every_s=3600)
    loop.start()
    wait_until(lambda: turns.count == 1, 10, "the first turn")
    loop.wake()
    wait_until(lambda: turns.count == 2, 10, "the second turn")
    loop.stop()
    loop.join(10)


def test_a_coroutine_is_guarded_and_can_still_be_canceled() -> None:
    turns = Turns(ValueError("a bug"))
    watchdog = Watchdog("tested", 60, max_backoff_s=FAST_S)

    async def follow() -> None:
        while True:
            with watchdog.turn():
                turns()
            await asyncio.sleep(watchdog.backoff_s)

    async def main() -> None:
        task = asyncio.create_task(follow())
        await asyncio.to_thread(wait_until, lambda: turns.count >= 3, 10, "turns")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_an_outage_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should count the failures, and leave the report to what is away."""
    monkeypatch.setattr(supervision, "FAILING_S", 0.0)
    before = supervision.failures().get("tested", 0)
    with running(Turns(QueueUnavailable("gone")), stall_after_s=30):
        wait_until(lambda: supervision.failures()["tested"] - before >= 5, 10, "failures")
        assert "tested" not in supervision.stalled()
