"""How many exports may be open: each holds a file on the disk, of no account's quota, until its client has read it."""

from collections.abc import Iterator
from contextlib import contextmanager

from video2mp3.api.fairness.limit_log import note_refusal
from video2mp3.errors import Overloaded, TooManyWaiting

MAX_OPEN = 50


class OpenExports:
    """The open exports of one application, one of each user at most. Used from one event loop."""

    def __init__(self) -> None:
        """None is open."""
        self._users: set[str] = set()

    @contextmanager
    def one_more(self, user_id: str) -> Iterator[None]:
        """Counts an export until the end of the block.

        Raises:
            TooManyWaiting: when the user has one.
            Overloaded: when all users together have as many as there may be.
        """
        if user_id in self._users:
            note_refusal("exports_per_user", user_id=user_id)
            raise TooManyWaiting("Another export of yours is being made or sent; try again when it has ended.")
        if len(self._users) >= MAX_OPEN:
            note_refusal("exports")
            raise Overloaded("So many exports are open here that no more are; try again later.")
        self._users.add(user_id)
        try:
            yield
        finally:
            self._users.remove(user_id)
