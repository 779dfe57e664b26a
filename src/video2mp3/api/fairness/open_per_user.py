"""How much of one kind may be open at once: so much of one user, and so much of all users together."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from video2mp3.api.fairness.limit_log import note_refusal
from video2mp3.errors import Overloaded, Video2mp3Error


class OpenPerUser:
    """Counts what is open of one kind in one application. Used from one event loop."""

    def __init__(
        self, name: str, per_user: int, total: Callable[[], int], too_many: Callable[[], Video2mp3Error]
    ) -> None:
        """Nothing is open.

        Args:
            name: The plural, for the log and the metrics.
            per_user: As much of one user.
            total: Returns how much of all users.
            too_many: Makes the error for a user who has as much.
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
            Video2mp3Error: the error of `too_many`, when the user has as much as one may have.
            Overloaded: when all users together have.
        """
        if self._open[user_id] >= self._per_user:
            note_refusal(f"{self._name}_per_user", user_id=user_id)
            raise self._too_many()
        if self._open.total() >= self._total():
            note_refusal(self._name)
            what = self._name.replace("_", " ")
            raise Overloaded(f"So many {what} are open here that no more are; try again later.")
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]
