"""A queue with many servers, simulated: who comes when, how long each takes, how long each waits.

Jobs are taken in the order in which they come, by whichever slot is free first. The relay's order is that one where
every user has one job; where some have many, turns make the others' waits shorter.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from random import Random

DAY_S = 86_400
Arrival = tuple[float, float]
"""When a job comes, in seconds from the first midnight on, and the length of its audio, in seconds."""


@dataclass(frozen=True)
class Demand:
    """What users send. The figures are assumptions; see docs/scaling.md for where they come from."""

    videos_per_day: float
    peak: float = 1.8
    """Arrivals in the busiest moment of a day, in times the mean."""
    peak_hour: float = 20.0
    median_s: float = 64.0
    """Of the audio's length."""
    sigma: float = 2.0
    """Of the logarithm of the length: at 2 the longest hundredth of the files has a third of all audio."""
    longest_s: float = 86_400.0

    @property
    def peak_per_s(self) -> float:
        """Arrivals a second in the busiest moment."""
        return self.peak * self.videos_per_day / DAY_S

    def length_s(self, chance: Random) -> float:
        """Draws the length of one file's audio: log-normal, cut off at what the service takes."""
        return min(self.longest_s, chance.lognormvariate(math.log(self.median_s), self.sigma))

    def mean_length_s(self) -> float:
        """Returns the mean of `length_s`, exactly."""
        cut = (math.log(self.longest_s / self.median_s)) / self.sigma
        whole = self.median_s * math.exp(self.sigma**2 / 2) * _normal(cut - self.sigma)
        return whole + self.longest_s * (1 - _normal(cut))

    def arrivals(self, start_s: float, end_s: float, chance: Random) -> Iterator[Arrival]:
        """Draws the jobs between two moments: a Poisson process whose rate follows the hour of the day."""
        at_s = start_s
        while (at_s := at_s + chance.expovariate(self.peak_per_s)) < end_s:
            if chance.random() * self.peak < self.rate(at_s):
                yield at_s, self.length_s(chance)

    def rate(self, at_s: float) -> float:
        """Returns how many come at that time, in times the mean of the day: a cosine over the hours."""
        return 1 + (self.peak - 1) * math.cos(2 * math.pi * (at_s / DAY_S - self.peak_hour / 24))

    def is_busy_hour(self, at_s: float) -> bool:
        """Tells whether it is in the hour around the busiest moment."""
        return abs(at_s % DAY_S / 3600 - self.peak_hour) <= 0.5


def waits_s(arrivals: Sequence[Arrival], service_s: Callable[[float], float], slots: int) -> list[float]:
    """Returns how long each job waits for a slot, all of which are free in the beginning.

    Args:
        arrivals: in their order.
        service_s: how long a slot is busy with so much audio.
        slots: how many jobs are worked on at once.
    """
    free_at_s = [0.0] * slots
    waits = []
    for at_s, length_s in arrivals:
        start_s = max(at_s, free_at_s[0])
        heapreplace(free_at_s, start_s + service_s(length_s))
        waits.append(start_s - at_s)
    return waits


def makespan_s(lengths_s: Sequence[float], service_s: Callable[[float], float], slots: int) -> float:
    """Returns how long so many slots take for jobs that wait from the beginning on, to the end of the last."""
    free_at_s = [0.0] * slots
    for length_s in lengths_s:
        heapreplace(free_at_s, free_at_s[0] + service_s(length_s))
    return max(free_at_s)


def percentile(values: Sequence[float], percent: float) -> float:
    """Returns the smallest value that so many percent do not pass."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def least(fits: Callable[[int], bool], first: int) -> int:
    """Returns the smallest number from `first` on that fits, where all larger ones fit, too."""
    low, step = first - 1, 1
    while not fits(low + step):
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _normal(z: float) -> float:
    """The normal distribution's function."""
    return (1 + math.erf(z / math.sqrt(2))) / 2
