"""How many exports may be open: each holds a file on the disk, of no account's quota, until its client has read it."""

from video2mp3.api.fairness.open_per_user import OpenPerUser
from video2mp3.errors import TooManyWaiting

MAX_OPEN = 50


class OpenExports(OpenPerUser):
    """The open exports: one of each user at most."""

    def __init__(self) -> None:
        """None is open."""
        super().__init__("exports", 1, lambda: MAX_OPEN, _another)


def _another() -> TooManyWaiting:
    return TooManyWaiting("Another export of yours is being made or sent; try again when it has ended.")
