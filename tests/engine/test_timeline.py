"""The file's clock, by made-up time stamps."""

from dataclasses import asdict
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from video2mp3.engine.child.timeline import Clock, LeftOut, StartClock, merged
from video2mp3.engine.report import MAX_REPORTED_GAPS

RATE_HZ = 48_000
PACKET = 1920
"""Samples of 40 ms."""
TICKS = 90_000
STEP = 3600
WRAP = 2**33


def clock(zero: int = 0, *, is_transport: bool = False) -> Clock:
    return Clock(Fraction(1, TICKS), Fraction(zero, TICKS), is_transport=is_transport)


def silences(of: Clock, *stamps: int | None) -> list[float]:
    return [round(of.take(at, PACKET, RATE_HZ), 6) for at in stamps]


def test_packets_that_follow_each_other_have_no_silence() -> None:
    made = clock()
    assert silences(made, 0, STEP, None, 3 * STEP) == [0, 0, 0, 0]
    assert made.finish().drift_s == 0


@pytest.mark.parametrize(("start_ms", "silence_s"), [(0, 0), (50, 0), (51, 0.051), (2000, 2), (-400, 0)])
def test_a_late_start_is_silent(start_ms: int, silence_s: float) -> None:
    made = clock()
    first = start_ms * TICKS // 1000
    assert silences(made, first, first + STEP) == [silence_s, 0]
    assert made.finish().leading_silence_s == pytest.approx(silence_s)


def test_zero_may_be_anywhere() -> None:
    made = clock(10**6)
    assert silences(made, 10**6 + TICKS, 10**6 + TICKS + STEP, 10**6 + 3 * TICKS) == [1, 0, 1.92]
    assert gaps_of(made) == [(1.08, 1.92)]


@pytest.mark.parametrize(("first", "silence_s"), [(0, 0), (TICKS, 1)])
def test_trimming_is_no_silence_unless_the_time_stamps_left_room_for_it(first: int, silence_s: float) -> None:
    made = clock()
    made.trim_start(first - (0 if silence_s == 0 else 9000), 0.1)
    assert silences(made, first + (9000 if silence_s == 0 else 0)) == [silence_s]


@pytest.mark.parametrize(("jump_ms", "is_gap"), [(80, False), (81, True), (-80, False), (3000, True)])
def test_a_gap_is_longer_than_two_packets(jump_ms: int, is_gap: bool) -> None:
    made = clock()
    jump = jump_ms * TICKS // 1000
    assert silences(made, 0, STEP + jump, 2 * STEP + jump) == [0, jump_ms / 1000 if is_gap else 0, 0]
    assert gaps_of(made) == ([(0.04, jump_ms / 1000)] if is_gap else [])
    assert made.facts.drift_s == pytest.approx(0 if is_gap else jump_ms / 1000)


def test_short_packets_may_be_50_ms_late() -> None:
    made = clock()
    assert [made.take(at, 96, RATE_HZ) for at in (0, 180 + 4500, 360 + 2 * 4500)] == [0, 0, 0]
    assert made.take(540 + 3 * 4500 + 1, 96, RATE_HZ) > 0.05


@pytest.mark.parametrize(
    ("jump_s", "is_transport", "silence_s", "discontinuities"),
    [(-5, False, 0, 1), (-5, True, 0, 1), (600, True, 600, 0), (601, True, 0, 1), (601, False, 601, 0)],
)
def test_a_clock_that_begins_anew_goes_on(
    jump_s: int, is_transport: bool, silence_s: float, discontinuities: int
) -> None:
    made = clock(is_transport=is_transport)
    again = STEP + jump_s * TICKS
    assert silences(made, 0, again, again + 2 * STEP + TICKS) == [0, silence_s, 1.04]
    assert made.finish().discontinuities == discontinuities
    assert gaps_of(made)[-1] == (0.08 + silence_s, 1.04)
    assert made.facts.drift_s == 0


@pytest.mark.parametrize("base", [WRAP, 0, 5 * WRAP])
def test_a_wrap_is_told_and_changes_nothing(base: int) -> None:
    made = clock(base - 10 * STEP, is_transport=True)
    assert silences(made, *(base + n * STEP for n in range(-10, 10))) == [0] * 20
    assert made.finish().discontinuities == 1


def test_a_gap_at_a_wrap_is_silent() -> None:
    made = clock(WRAP - STEP, is_transport=True)
    assert silences(made, WRAP - STEP, WRAP + TICKS) == [0, 1]
    assert (made.finish().discontinuities, gaps_of(made)) == (1, [(0.04, 1)])


@given(st.lists(st.integers(-(2**62), 2**62), max_size=300), st.booleans())
def test_any_time_stamps_are_taken(stamps: list[int], is_transport: bool) -> None:
    made = clock(is_transport=is_transport)
    assert all(made.take(at, PACKET, RATE_HZ) >= 0 for at in stamps)
    facts = made.finish()
    assert len(facts.gaps) == min(facts.gap_count, MAX_REPORTED_GAPS)
    assert facts.gaps_s >= sum(gap.duration_s for gap in facts.gaps) * 0.999


def test_rounded_time_stamps_do_not_add_up() -> None:
    made = Clock(Fraction(1, 1000), Fraction(0))
    stamps = [round(n * 1024 / 44.1) for n in range(5000)]
    assert {made.take(at, 1024, 44_100) for at in stamps} == {0}
    assert abs(made.finish().drift_s) < 0.001


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), max_size=20))
def test_the_map_is_what_a_list_of_all_samples_says(runs: list[tuple[int, int]]) -> None:
    left_out = LeftOut()
    kept: list[int] = []
    at = 0
    for sound, silence in runs:
        kept += range(at, at + sound)
        left_out.add(at + sound, silence)
        at += sound + silence
    kept += range(at, at + 100)
    assert [left_out.clock(position) for position in range(len(kept))] == kept
    assert [left_out.position(sample) for sample in kept] == list(range(len(kept)))
    assert left_out.samples == sum(silence for _, silence in runs)
    assert all(left_out.clock(left_out.position(sample)) >= sample for sample in range(at))


def test_the_map_of_very_many_silences_is_small() -> None:
    left_out = LeftOut()
    for n in range(300_000):
        left_out.add(20 * n, 10)
    assert left_out.samples == 3_000_000
    assert left_out.position(6_000_000) == 3_000_000
    assert abs(left_out.position(3_000_000) - 1_500_000) <= 160
    assert abs(left_out.clock(1_500_000) - 3_000_000) <= 640


def gaps_of(made: Clock) -> list[tuple[float, float]]:
    return [(round(gap.start_s, 6), round(gap.duration_s, 6)) for gap in made.finish().gaps]


def test_a_clock_of_starts_judges_nothing_else() -> None:
    made = StartClock(Fraction(1, TICKS), Fraction(0))
    assert silences(made, TICKS, 5 * TICKS, 0) == [1, 0, 0]
    assert (made.finish().gap_count, made.facts.discontinuities, made.facts.drift_s) == (0, 0, 0)


def test_the_facts_of_several_tracks_are_merged() -> None:
    late, gapped = clock(), clock()
    silences(late, TICKS, 4 * TICKS)
    silences(gapped, 0, STEP + 90, 2 * STEP + 90 + TICKS)
    found = merged([asdict(made.finish()) for made in (late, gapped)])
    assert (found["leading_silence_s"], found["gap_count"], found["gaps_s"]) == (1, 2, pytest.approx(3.96))
    assert [round(gap["start_s"], 3) for gap in found["gaps"]] == [1.04, 0.081]
    assert found["drift_s"] == pytest.approx(0.001)
