"""How long to wait before another attempt: the one back-off of the service and of its client."""

import math
import random

_JITTER = 0.1


def backoff_s(attempt: int, *, first_s: float, max_s: float = math.inf, factor: float = 2.0) -> float:
    """Returns the seconds to wait after the attempt of that number (the first is 1): `factor` times as long each time.

    Up to a tenth is taken off at random, so that what has failed together is not tried again together.
    """
    longest_s = min(max_s, first_s * factor ** min(attempt - 1, 32))
    return longest_s * (1 - _JITTER * random.random())  # noqa: S311 - no secret
