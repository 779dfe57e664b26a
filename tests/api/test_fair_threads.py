"""It should give no caller more than its share of the threads, and let callers take turns."""

import asyncio

import anyio.to_thread
import pytest
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
