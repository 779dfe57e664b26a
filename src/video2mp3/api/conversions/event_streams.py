"""How many event streams may be open: each holds a connection for as long as a conversion takes."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from video2mp3.api.fairness.limit_log import note_refusal
from video2mp3.api.frame.connections import descriptor_limit
from video2mp3.errors import Overloaded, TooManyEventStreams
from video2mp3.telemetry import metrics


class EventStreams:
    """The open event streams of one application. Used from one event loop."""

    def __init__(self, per_user: int, total: int) -> None:
        """Takes the limits; all streams together never take more than half of the descriptors."""
        self._per_user = per_user
        self._total = total
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, user_id: str) -> Iterator[None]:
        """Counts a stream until the end of the block.

        Raises:
            TooManyEventStreams: when the user has as many as one may have.
            Overloaded: when all users together have.
        """
        if self._open[user_id] >= self._per_user:
            note_refusal("event_streams_per_user", user_id=user_id)
            raise TooManyEventStreams
        if self._open.total() >= min(self._total, descriptor_limit() // 2):
            note_refusal("event_streams")
            raise Overloaded("So many event streams are open here that no more are; try again later.")
        self._open[user_id] += 1
        metrics.EVENT_STREAMS.inc()
        try:
            yield
        finally:
            metrics.EVENT_STREAMS.dec()
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]
