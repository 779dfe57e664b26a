"""Limits open exports: until its client has read it, each holds a file on the disk that counts against no quota."""

from video2mp3.api.fairness.open_per_user import OpenPerUser
from video2mp3.errors import TooManyWaiting

MAX_OPEN = 50


class OpenExports(OpenPerUser):
    """The open exports: one per user."""

    def __init__(self) -> None:
        """None is open."""
        super().__init__("exports", 1, lambda: MAX_OPEN, _another)


def _another() -> TooManyWaiting:
    return TooManyWaiting("Another export of this account is in progress; try again when it has ended.")
