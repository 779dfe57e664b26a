"""Places for the requests of one caller: one request starts at a time, the others wait before they cost anything.

All requests share one event loop, which spends some milliseconds on each. Without places, fifty connections that send
request after request would make each request of others wait for fifty of theirs. A longer request gives up its place
after a moment: what it waits for then (its body, a conversion, a slow reader) costs the loop little.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.types import Message

from video2mp3.api.fairness.fair_threads import FairThreads

PLACES = 10_000
"""For all callers together: never reached, because connections are limited."""
PLACES_PER_CALLER = 1
LONGEST_S = 0.1
"""After that time a place is free again, whatever its request does."""
_SHORT_BYTES = 64 * 1024


class Place:
    """A request's place. The caller has to leave it in any case."""

    def __init__(self, places: FairThreads, caller: str) -> None:
        self._places = places
        self._caller = caller
        self._timer: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        """Waits for the caller's turn."""
        await self._places.enter(self._caller)
        self._timer = asyncio.get_running_loop().call_later(LONGEST_S, self.leave)

    def leave(self) -> None:
        """Gives the place to the caller's next request; does nothing the second time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._places.leave(self._caller)

    def leave_if_long(self, start: Message) -> None:
        """Leaves if the response is long or has no declared length, as an event stream."""
        length = Headers(raw=start["headers"]).get("content-length")
        if length is None or int(length) > _SHORT_BYTES:
            self.leave()


def new_places() -> FairThreads:
    """Returns the places of one application."""
    return FairThreads(PLACES, PLACES_PER_CALLER)
