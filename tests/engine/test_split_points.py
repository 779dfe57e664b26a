"""Where sound is point, however it comes in blocks."""

import array
import math
import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.options import resolved
from video2mp3.engine.chapters import Chapter
from video2mp3.engine.child.splitting.split_points import (
    PcmFormat,
    SilenceSplitPoints,
    SplitPoint,
    SplitPoints,
    split_points_for,
)
from video2mp3.engine.child.timeline import LeftOut

RATE_HZ = 8000
QUIET, LOUD = 20, 5000
FORMAT = PcmFormat(RATE_HZ, 1)


def pcm_of(runs: list[tuple[bool, int]], channels: int) -> "array.array[int]":
    """Runs of loud and quiet samples; of loud ones one channel is loud at the ends, and else some here and there."""
    chance, values = random.Random(1), array.array("h")
    for is_loud, samples in runs:
        for n in range(samples):
            ends = n in (0, samples - 1)
            values.extend(
                chance.choice((-LOUD, LOUD))
                if is_loud and (ends or chance.random() < 0.2)
                else chance.choice((-QUIET, QUIET))
                for _ in range(channels)
            )
    return values


def points_of(split_points: SplitPoints, values: "array.array[int]", channels: int, block: int) -> list[SplitPoint]:
    found: list[SplitPoint] = []
    for place in range(0, len(values), block * channels):
        split_points.take(values[place : place + block * channels].tobytes())
        late = [point for point in split_points.known if found and point.at < found[-1].at]
        found += split_points.known
        assert not late
        assert all(
            point.at < split_points.confirmed_until or math.isinf(split_points.confirmed_until)
            for point in split_points.known
        )
        split_points.known.clear()
    split_points.finish()
    assert math.isinf(split_points.confirmed_until)
    return [*found, *split_points.known]


@settings(deadline=None)
@given(
    runs=st.lists(st.tuples(st.booleans(), st.integers(1, 2000)), max_size=7),
    channels=st.integers(1, 2),
    block=st.integers(1, 700),
    silence=st.integers(2 * FORMAT.frame_samples, 1600),
)
def test_silences_are_those_that_a_plain_count_finds(
    runs: list[tuple[bool, int]], channels: int, block: int, silence: int
) -> None:
    values = pcm_of([*runs, (False, FORMAT.frame_samples)], channels)
    expected, heard, quiet = [SplitPoint(0)], False, 0
    for sample in range(len(values) // channels):
        if max(map(abs, values[sample * channels : (sample + 1) * channels])) > QUIET:
            if heard and quiet >= silence:
                expected.append(SplitPoint(sample - quiet + silence // 2))
            heard, quiet = True, 0
        else:
            quiet += 1
    split_points = SilenceSplitPoints(PcmFormat(RATE_HZ, channels), silence / RATE_HZ, QUIET, LeftOut())
    assert points_of(split_points, values, channels, block) == expected


def test_no_cut_comes_before_what_was_called_safe() -> None:
    values = pcm_of([(True, 300), (False, 900), (True, 300)], 1)
    split_points = SilenceSplitPoints(FORMAT, 0.1, QUIET, LeftOut())
    safe = []
    for place in range(0, 1500, 100):
        split_points.take(values[place : place + 100].tobytes())
        safe.append(split_points.confirmed_until)
    assert [point.at for point in split_points.known] == [0, 700]
    assert safe[:7] == [0, 0, 0, 0, 0, 600, 700]
    assert set(safe[7:12]) == {700}
    assert safe[-1] == 1500


def test_a_silence_that_does_not_end_is_a_segment_after_a_minute() -> None:
    for seconds, expected in ((60, []), (63, [RATE_HZ + 8000])):
        values = array.array("h", [LOUD] * RATE_HZ + [0] * (RATE_HZ * (seconds + 1)))
        assert points_of(SilenceSplitPoints(FORMAT, 2.0, QUIET, LeftOut()), values, 1, 30_000) == [
            SplitPoint(0),
            *map(SplitPoint, expected),
        ]


@settings(deadline=None)
@given(length=st.floats(1, 4), samples=st.integers(1, 100_000), block=st.integers(1000, 50_000))
def test_times_are_cut_exactly_and_nothing_too_short_is_left(length: float, samples: int, block: int) -> None:
    """It should add a rest of less than a second, or of half a segment, to the segment before it."""
    split_points = split_points_for(resolved(split=length), [], FORMAT, LeftOut())
    found = [point.at for point in points_of(split_points, array.array("h", [0] * samples), 1, block)]
    expected, shortest = (
        [round(n * length * RATE_HZ) for n in range(200)],
        min(RATE_HZ, math.floor(length * RATE_HZ / 2)),
    )
    assert found == [at for at in expected if at + shortest <= samples or at == 0]


@settings(deadline=None)
@given(starts=st.lists(st.integers(0, 5000), max_size=12), start_s=st.integers(0, 2000))
def test_chapters_are_cut_where_they_begin(starts: list[int], start_s: int) -> None:
    chapters = [Chapter(at / 1000, at / 1000 + 1, f"Chapter {n}") for n, at in enumerate(sorted(starts))]
    split_points = split_points_for(resolved(split="chapters", start_s=start_s / 1000), chapters, FORMAT, LeftOut())
    found = points_of(split_points, array.array("h", [0] * 40_000), 1, 999)
    assert all(after.at - before.at >= 576 for before, after in pairwise(found))
    begins = {round(chapter.start_s * RATE_HZ) - start_s * 8 for chapter in chapters}
    assert {point.at for point in found[1:]} <= begins
    for at in begins:
        assert any(-576 < point.at - at <= 0 or point.at == 0 for point in found) or at + 576 > 40_000
