"""The simulated queue of docs/scaling.md, compared with formulas."""

import math
from random import Random

import pytest
from benchmarks.queueing import DAY_S, Demand, least, makespan_s, percentile, waits_s


def erlang_c(offered: float, servers: int) -> float:
    """The chance that somebody who comes has to wait, where arrivals and services are exponential.

    Source: A. K. Erlang, 1917; here by the recursion for Erlang's B.
    """
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return servers * blocked / (servers - offered * (1 - blocked))


@pytest.mark.parametrize(("servers", "offered"), [(1, 0.5), (2, 1.6), (20, 18.0)])
def test_waits_are_those_of_erlang_where_all_is_exponential(servers: int, offered: float) -> None:
    """It should find the share of those who wait, their mean wait and its 99th percentile."""
    chance, at_s, arrivals = Random(1), 0.0, []
    for _ in range(150_000):
        at_s += chance.expovariate(offered)
        arrivals.append((at_s, chance.expovariate(1.0)))
    waits = waits_s(arrivals, lambda work_s: work_s, servers)
    waiting, spare = erlang_c(offered, servers), servers - offered
    assert sum(wait > 0 for wait in waits) / len(waits) == pytest.approx(waiting, rel=0.06)
    assert sum(waits) / len(waits) == pytest.approx(waiting / spare, rel=0.15)
    assert percentile(waits, 99) == pytest.approx(math.log(100 * waiting) / spare, rel=0.15)


def test_more_slots_never_make_anybody_wait_longer() -> None:
    arrivals = list(Demand(50_000).arrivals(0, DAY_S / 4, Random(2)))
    few, many = (waits_s(arrivals, lambda length_s: length_s / 70, slots) for slots in (3, 4))
    assert all(more <= less for more, less in zip(many, few, strict=True))
    assert sum(many) < sum(few)


def test_arrivals_follow_the_hours_of_the_day() -> None:
    """It should draw as many as there are in a day, most in the busy hour and least twelve hours later."""
    demand = Demand(100_000)
    at_s = [at_s for at_s, _ in demand.arrivals(0, DAY_S, Random(3))]
    hours = [sum(demand.is_busy_hour(at + shift_s) for at in at_s) for shift_s in (0, DAY_S / 2)]
    assert len(at_s) == pytest.approx(100_000, rel=0.02)
    assert hours[0] == pytest.approx(1.8 * 100_000 / 24, rel=0.05)
    assert hours[1] == pytest.approx(0.2 * 100_000 / 24, rel=0.15)
    assert at_s == sorted(at_s)


def test_lengths_have_the_median_and_the_mean_that_are_told() -> None:
    demand, chance = Demand(1), Random(4)
    lengths_s = [demand.length_s(chance) for _ in range(200_000)]
    assert percentile(lengths_s, 50) == pytest.approx(demand.median_s, rel=0.02)
    assert sum(lengths_s) / len(lengths_s) == pytest.approx(demand.mean_length_s(), rel=0.05)
    assert max(lengths_s) <= demand.longest_s


def test_jobs_that_are_all_there_are_taken_by_whoever_is_free() -> None:
    assert makespan_s([4, 1, 1, 1, 3], lambda length_s: length_s, 2) == 6
    assert makespan_s([4, 1, 1, 1, 3], lambda length_s: length_s + 1, 1) == 15


def test_the_least_number_that_fits_is_found_with_few_looks() -> None:
    looks = []

    def fits(number: int) -> bool:
        looks.append(number)
        return number >= 1234

    assert least(fits, 1200) == 1234
    assert len(looks) < 14
    assert least(lambda _: True, 5) == 5
