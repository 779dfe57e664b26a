"""It should begin one request of a caller at a time, and wait for none that takes long."""

import asyncio

from video2mp3.api.fairness import places
from video2mp3.api.fairness.fair_threads import FairThreads
from video2mp3.api.fairness.places import Place


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_caller_s_next_request_waits_and_another_caller_s_does_not() -> None:
    async def run() -> None:
        limiter = FairThreads(100, 1)
        first, second, other = Place(limiter, "ada"), Place(limiter, "ada"), Place(limiter, "bob")
        await first.take()
        waiting = asyncio.create_task(second.take())
        await other.take()
        await settle()
        assert not waiting.done()
        first.leave()
        first.leave()
        await asyncio.wait_for(waiting, 5)
        second.leave()
        other.leave()

    asyncio.run(run())


def test_a_place_is_free_again_after_a_moment() -> None:
    async def run() -> None:
        limiter = FairThreads(100, 1)
        await Place(limiter, "ada").take()
        await asyncio.wait_for(Place(limiter, "ada").take(), 50 * places.LONGEST_S)

    asyncio.run(run())


def test_a_long_response_leaves_its_place_when_it_begins() -> None:
    async def run() -> None:
        for headers, leaves in (
            ([(b"content-length", b"1")], False),
            ([(b"content-length", b"1000000")], True),
            ([], True),
        ):
            limiter = FairThreads(100, 1)
            place = Place(limiter, "ada")
            await place.take()
            place.leave_if_long({"type": "http.response.start", "status": 200, "headers": headers})
            waiting = asyncio.create_task(Place(limiter, "ada").take())
            await settle()
            assert waiting.done() == leaves
            place.leave()
            await waiting

    asyncio.run(run())
