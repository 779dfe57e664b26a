"""It should give no caller more than its share of the threads, and let callers take turns."""

import asyncio
from collections import Counter

import anyio.to_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.concurrency import run_in_threadpool

from video2mp3.api.fairness import fair_threads
from video2mp3.api.fairness.fair_threads import FairThreads, current_caller

OrderOf = list[str]


async def step(threads: FairThreads, caller: str, order: OrderOf, gate: asyncio.Event) -> None:
    current_caller.set(caller)
    async with threads:
        order.append(caller)
        await gate.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_one_caller_does_not_take_all_threads() -> None:
    async def run() -> None:
        threads, order, gate = FairThreads(4, 2), list[str](), asyncio.Event()
        tasks = [asyncio.create_task(step(threads, "greedy", order, gate)) for _ in range(5)]
        await settle()
        tasks.append(asyncio.create_task(step(threads, "other", order, gate)))
        await settle()
        assert order == ["greedy", "greedy", "other"]
        gate.set()
        await asyncio.gather(*tasks)
        assert order.count("greedy") == 5

    asyncio.run(run())


def test_callers_take_turns_where_all_threads_are_busy() -> None:
    async def run() -> None:
        threads, order = FairThreads(1, 1), list[str]()
        gate = asyncio.Event()
        tasks = [asyncio.create_task(step(threads, name, order, gate)) for name in ("a", "b", "b", "c")]
        await settle()
        assert order == ["a"]
        gate.set()
        await asyncio.gather(*tasks)
        assert order == ["a", "b", "c", "b"]

    asyncio.run(run())


def test_the_services_own_steps_are_not_limited() -> None:
    async def run() -> None:
        threads, entered = FairThreads(1, 1), 0
        for _ in range(3):
            await threads.__aenter__()
            entered += 1
        assert entered == 3

    asyncio.run(run())


@pytest.mark.parametrize("turn_has_come", [False, True])
def test_a_step_that_is_cancelled_leaves_its_place(turn_has_come: bool) -> None:
    async def run() -> None:
        threads, order, gate = FairThreads(1, 1), list[str](), asyncio.Event()
        first = asyncio.create_task(step(threads, "a", order, gate))
        await settle()
        second = asyncio.create_task(step(threads, "a", order, gate))
        await settle()
        if turn_has_come:
            gate.set()
            await first
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        gate.set()
        await asyncio.wait_for(step(threads, "a", order, gate), 5)

    asyncio.run(run())


def test_the_frameworks_thread_pool_is_shared_fairly() -> None:
    async def run() -> None:
        fair_threads.install()
        limiter = anyio.to_thread.current_default_thread_limiter()
        assert isinstance(limiter, FairThreads)
        fair_threads.install()
        assert anyio.to_thread.current_default_thread_limiter() is limiter
        assert await run_in_threadpool(lambda: 1) == 1

    asyncio.run(run())


def test_a_place_given_back_in_the_moment_of_a_cancellation_is_not_lost() -> None:
    async def run() -> None:
        threads = FairThreads(1, 1)
        await threads.enter("a")
        cancelled, next_one = (asyncio.create_task(threads.enter("a")) for _ in range(2))
        await settle()
        cancelled.cancel()  # its turn is cancelled now; the task learns of it in the loop's next iteration
        threads.leave("a")
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await asyncio.wait_for(next_one, 5)
        threads.leave("a")
        await asyncio.wait_for(threads.enter("b"), 5)

    asyncio.run(run())


def test_a_coroutine_that_is_closed_while_it_waits_gives_back_nothing() -> None:
    async def run() -> None:
        threads = FairThreads(1, 1)
        await threads.enter("a")
        waiting = threads.enter("a")
        waiting.send(None)
        waiting.close()
        last = asyncio.create_task(threads.enter("a"))
        await settle()
        assert not last.done()
        threads.leave("a")
        await asyncio.wait_for(last, 5)

    asyncio.run(run())


class Crowd:
    """Steps that come and go in any order."""

    def __init__(self) -> None:
        self.threads = FairThreads(3, 2)
        self.steps: list[tuple[str, asyncio.Task[None]]] = []
        self.inside: list[str] = []

    async def step(self, caller: str) -> None:
        await self.threads.enter(caller)
        self.inside.append(caller)

    async def do(self, action: str, number: int) -> None:
        match action:
            case "enter":
                caller = "abc"[number % 3]
                self.steps.append((caller, asyncio.create_task(self.step(caller))))
            case "cancel" if waiting := [task for _, task in self.steps if not task.done()]:
                waiting[number % len(waiting)].cancel()
            case "leave" if self.inside:
                self.threads.leave(self.inside.pop(number % len(self.inside)))
            case "loop":
                await asyncio.sleep(0)

    def check(self) -> None:
        assert self.threads._running == Counter(self.inside)
        assert all(count <= 2 for count in self.threads._running.values())
        assert sum(self.threads._running.values()) <= 3
        waiting = Counter(caller for caller, task in self.steps if not task.done())
        assert {caller: len(turns) for caller, turns in self.threads._waiting.items()} == waiting
        assert not any(self.threads._may_run(caller) for caller in waiting)


ACTIONS = st.tuples(st.sampled_from(["enter", "enter", "cancel", "leave", "leave", "loop"]), st.integers(0, 20))


@settings(max_examples=300, deadline=None)
@given(st.lists(ACTIONS, max_size=60))
def test_what_runs_is_what_is_inside(actions: list[tuple[str, int]]) -> None:
    async def run() -> None:
        crowd = Crowd()
        for action in actions:
            await crowd.do(*action)
        await settle()
        crowd.check()
        while crowd.inside:
            await crowd.do("leave", 0)
            await settle()
            crowd.check()
        assert all(task.done() for _, task in crowd.steps)
        assert not any(task.exception() for _, task in crowd.steps if not task.cancelled())
        assert not crowd.threads._running
        assert not crowd.threads._waiting
        newcomer = crowd.threads.enter("a")
        with pytest.raises(StopIteration):  # it does not wait
            newcomer.send(None)

    asyncio.run(run())
