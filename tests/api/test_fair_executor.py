"""The executor for work of requests: turns between users, bounded queues, one run for many callers."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from video2mp3.api.fairness.fair_executor import FairExecutor
from video2mp3.errors import Overloaded, StillRunning, TooManyWaiting, UnsupportedFormat

PATIENCE_S = 20.0


class Client:
    """The client of one request, which may disconnect."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.request = Request({"type": "http", "method": "GET", "path": "/", "headers": []}, self._receive)

    async def _receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}


class Work:
    """Blocking work that tells when it has begun and ends when it may."""

    def __init__(self, log: list[str], name: str) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self._log = log
        self._name = name

    def __call__(self) -> str:
        self._log.append(self._name)
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)
        return self._name


def executor(**bounds: int) -> FairExecutor:
    return FairExecutor("test", **({"threads": 1, "per_user_queue": 3, "queue": 5} | bounds))


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


async def begun(work: Work) -> None:
    assert await asyncio.to_thread(work.begun.wait, PATIENCE_S)


async def settle() -> None:
    """Lets every task that was just made run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_users_take_turns() -> None:
    async def test() -> None:
        log: list[str] = []
        works = {name: Work(log, name) for name in ("ada-1", "ada-2", "ada-3", "bob-1")}
        fair = executor()
        tasks = []
        for name, work in works.items():
            tasks.append(
                asyncio.create_task(fair.run(Client().request, name.split("-")[0], work, patience_s=PATIENCE_S))
            )
            await settle()
        for work in works.values():
            work.may_end.set()
        assert await asyncio.gather(*tasks) == list(works)
        assert log == ["ada-1", "ada-2", "bob-1", "ada-3"]

    run(test())


def test_one_user_leaves_a_thread_to_the_others() -> None:
    async def test() -> None:
        log: list[str] = []
        fair = executor(threads=2)
        mine, mine_too, other = Work(log, "mine"), Work(log, "mine too"), Work(log, "other")
        tasks = [
            asyncio.create_task(fair.run(Client().request, user, work, patience_s=PATIENCE_S))
            for user, work in (("ada", mine), ("ada", mine_too), ("bob", other))
        ]
        await settle()
        await begun(mine)
        await begun(other)
        assert not mine_too.begun.is_set()
        for work in (mine, mine_too, other):
            work.may_end.set()
        await asyncio.gather(*tasks)

    run(test())


def test_a_full_queue_refuses_at_once() -> None:
    async def test() -> None:
        log: list[str] = []
        fair = executor(per_user_queue=1, queue=2)
        works = [Work(log, str(number)) for number in range(4)]
        tasks = []
        for user, work in zip(("ada", "ada", "bob"), works, strict=False):
            tasks.append(asyncio.create_task(fair.run(Client().request, user, work, patience_s=PATIENCE_S)))
            await settle()
        with pytest.raises(TooManyWaiting) as refused:
            await fair.run(Client().request, "ada", works[3], patience_s=PATIENCE_S)
        assert (refused.value.status, refused.value.retry_after_s > 0) == (429, True)
        with pytest.raises(Overloaded):
            await fair.run(Client().request, "eve", works[3], patience_s=PATIENCE_S)
        for work in works:
            work.may_end.set()
        await asyncio.gather(*tasks)
        assert log == ["0", "1", "2"]
        assert await fair.run(Client().request, "eve", works[3], patience_s=PATIENCE_S) == "3"

    run(test())


def test_callers_with_the_same_key_share_one_run() -> None:
    async def test() -> None:
        log: list[str] = []
        fair, work = executor(per_user_queue=1), Work(log, "once")
        tasks = [
            asyncio.create_task(fair.run(Client().request, "ada", work, patience_s=PATIENCE_S, key="it"))
            for _ in range(50)
        ]
        await settle()
        await begun(work)
        work.may_end.set()
        assert await asyncio.gather(*tasks) == ["once"] * 50
        assert log == ["once"]

    run(test())


def test_a_client_that_disconnects_frees_its_place() -> None:
    async def test() -> None:
        log: list[str] = []
        fair = executor(per_user_queue=1)
        first, second, third = (Work(log, name) for name in ("first", "second", "third"))
        running = asyncio.create_task(fair.run(Client().request, "ada", first, patience_s=PATIENCE_S))
        await settle()
        client = Client()
        waiting = asyncio.create_task(fair.run(client.request, "ada", second, patience_s=PATIENCE_S))
        await settle()
        client.gone.set()
        with pytest.raises(ClientDisconnect):
            await waiting
        instead = asyncio.create_task(fair.run(Client().request, "ada", third, patience_s=PATIENCE_S))
        await settle()
        for work in (first, second, third):
            work.may_end.set()
        assert list(await asyncio.gather(running, instead)) == ["first", "third"]
        assert log == ["first", "third"]

    run(test())


def test_work_that_takes_too_long_goes_on_and_the_next_request_finds_it() -> None:
    async def test() -> None:
        log: list[str] = []
        fair, work = executor(), Work(log, "slow")
        with pytest.raises(StillRunning) as refused:
            await fair.run(Client().request, "ada", work, patience_s=0.05, key="it")
        assert refused.value.status == 503
        again = asyncio.create_task(fair.run(Client().request, "ada", work, patience_s=PATIENCE_S, key="it"))
        await settle()
        work.may_end.set()
        assert await again == "slow"
        assert log == ["slow"]

    run(test())


@pytest.mark.parametrize("error", [UnsupportedFormat(), StopIteration(), SystemExit(3)], ids=lambda e: type(e).__name__)
def test_no_error_of_the_work_ends_the_executor(error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def test() -> None:
        fair = executor()
        expected = RuntimeError if isinstance(error, StopIteration) else type(error)
        for _ in range(3):
            with pytest.raises(expected):
                await fair.run(Client().request, "ada", fail, patience_s=PATIENCE_S)
        assert await fair.run(Client().request, "ada", lambda: "well", patience_s=PATIENCE_S) == "well"

    run(test())
