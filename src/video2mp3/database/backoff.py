"""How long to wait before another attempt, in the unit of the database's clock."""

import random

from video2mp3.database.clock import SECOND

_JITTER = 0.1


def backoff_us(attempt: int, *, first_s: int, max_s: int) -> int:
    """Returns the microseconds after the attempt of that number (the first is 1): twice as long each time.

    Up to a tenth is taken off at random, so that what has failed together is not tried again together.
    """
    doubled_us = min(max_s, first_s << min(attempt - 1, 32)) * SECOND
    return doubled_us - int(doubled_us * _JITTER * random.random())  # noqa: S311 - no secret
