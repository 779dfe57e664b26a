"""Limits how many resources of one kind (streams, exports) are open at once: per user and in total."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from video2mp3.api.fairness.limit_log import record_refusal
from video2mp3.errors import Overloaded, Video2mp3Error


class OpenPerUser:
    """Counts the open resources of one kind in one application. Used from one event loop."""

    def __init__(
        self, name: str, per_user: int, total: Callable[[], int], too_many: Callable[[], Video2mp3Error]
    ) -> None:
        """Nothing is open.

        Args:
            name: The plural, for the log and the metrics.
            per_user: The limit for one user.
            total: Returns the limit for all users together.
            too_many: Creates the error for a user who has reached the limit.
        """
        self._name = name
        self._per_user = per_user
        self._total = total
        self._too_many = too_many
        self._open: Counter[str] = Counter()

    @contextmanager
    def one_more(self, user_id: str) -> Iterator[None]:
        """Counts one until the end of the block.

        Raises:
            Video2mp3Error: the error of `too_many`, if the user has reached the limit.
            Overloaded: if all users together have.
        """
        if self._open[user_id] >= self._per_user:
            record_refusal(f"{self._name}_per_user", user_id=user_id)
            raise self._too_many()
        if self._open.total() >= self._total():
            record_refusal(self._name)
            what = self._name.replace("_", " ")
            raise Overloaded(f"Too many {what} are open; try again later.")
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]
