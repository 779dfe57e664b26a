"""Whatever the time stamps say, each second of the sound is at its place; with packed timing, chapters still are.

`make timelines` tries hundreds of files of each container; `make test` a few.
"""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mutagen.id3 import ID3

from tests.engine.converting import converted
from tests.engine.timed_media import WRAP, WRITERS, Plan, Run, mpegts
from tests.engine.tones import TONE_START_S, heard

TOLERANCE_S = 0.03
LEAST_GAP_S = 0.05
LATE_START_S = 10
NEW_CLOCK_S = 600
EXAMPLES = int(os.environ.get("TESTS_TIMELINES", "2"))
ONLY_FORWARD = {"mp4", "edits.mp4"}
BEGIN_WITH_CHAPTERS = {"mp4", "edits.mp4"}
HAVE_CHAPTERS = {"mp4", "edits.mp4", "mkv", "webm", "ogg", "pages.ogg"}
HAVE_NO_VIDEO = {"fragments.mp4", "ogg", "pages.ogg", "vorbis.ogg"}


def milliseconds(least: int, most: int) -> st.SearchStrategy[float]:
    return st.integers(least, most).map(lambda number: number / 1000)


@st.composite
def plans(draw: st.DrawFn, form: str) -> Plan:
    """Up to four runs with gaps, and where the container allows it, jumps backward, between them."""
    start_s = draw(
        st.just(0.0) | milliseconds(100, 4000) | (st.just(0.0) if form == "ts" else milliseconds(10_500, 90_000))
    )
    counts = draw(st.lists(st.integers(1, 2), min_size=1, max_size=4))
    runs = [Run(0, counts[0], start_s)]
    for count in counts[1:]:
        last = runs[-1]
        jumps = milliseconds(150, 3000)
        if form not in ONLY_FORWARD:
            jumps |= milliseconds(200, 1000 * last.count).map(lambda jump_s: -jump_s)
        if form == "ts":
            jumps |= milliseconds(601_000, 10_000_000)
        runs.append(Run(last.first + last.count, count, last.end_s + draw(jumps)))
    video = st.none() | milliseconds(0, 3000).map(lambda late_s: max(0.0, start_s - 1.5) + late_s)
    video_at_s = draw(st.none() if form in HAVE_NO_VIDEO else video)
    chapters: tuple[tuple[float, float, str], ...] = ()
    is_odd = form in BEGIN_WITH_CHAPTERS and start_s > 0  # FFmpeg writes the first chapter at 0
    if form in HAVE_CHAPTERS and not is_odd and all(run.end_s < following.at_s for run, following in pairwise(runs)):
        starts = [run.at_s for run in runs]
        chapters = tuple(zip(starts, [*starts[1:], runs[-1].end_s], map(str, range(len(runs))), strict=True))
    return Plan(tuple(runs), video_at_s, 2.0, chapters)


def places(plan: Plan, form: str, timing: str) -> list[float]:
    """Where each run begins in the MP3."""
    starts = [plan.runs[0].at_s, *([plan.video_at_s] if plan.video_at_s is not None else [])]
    zero_s = min(starts) if form == "ts" or min(starts) > LATE_START_S else 0.0
    late_s = plan.runs[0].at_s - zero_s
    place = late_s if late_s > LEAST_GAP_S and timing == "file" else 0.0
    found = [place]
    for run, following in pairwise(plan.runs):
        jump_s = following.at_s - run.end_s
        is_gap = jump_s > 0 and not (form == "ts" and jump_s > NEW_CLOCK_S)
        place += run.count + (jump_s if is_gap and timing == "file" else 0.0)
        found.append(place)
    return found


def check(content: bytes, plan: Plan, form: str, timing: str, folder: Path) -> None:
    file, mp3 = folder / f"in.{form}", folder / "out.mp3"
    file.write_bytes(content)
    converted(file, mp3, timing=timing)
    starts = places(plan, form, timing)
    seconds = [
        (run.first + n, start + n) for run, start in zip(plan.runs, starts, strict=True) for n in range(run.count)
    ]
    tones = heard(mp3)
    assert [tone.second for tone in tones] == [second for second, _ in seconds]
    for tone, (_, at_s) in zip(tones, seconds, strict=True):
        assert tone.start_s == pytest.approx(at_s + TONE_START_S, abs=TOLERANCE_S)
    if plan.chapters:
        tags: Any = ID3(mp3)  # type: ignore[no-untyped-call]
        chapters = sorted(tags.getall("CHAP"), key=lambda chapter: chapter.start_time)
        assert [chapter.start_time / 1000 for chapter in chapters] == pytest.approx(starts, abs=TOLERANCE_S)


@pytest.mark.parametrize("form", WRITERS)
def test_every_second_is_at_its_place(form: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("timeline")

    @hypothesis_settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(plans(form), st.sampled_from(["file", "packed"]))
    def run(plan: Plan, timing: str) -> None:
        note(f"{plan} {timing}")
        check(WRITERS[form](plan), plan, form, timing, folder)

    run()


def test_the_clock_of_mpeg_ts_may_wrap(tmp_path: Path) -> None:
    """It should go on counting, wherever in the sound its 33 bits end."""

    @hypothesis_settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(plans("ts"), milliseconds(-2000, 12_000), st.sampled_from(["file", "packed"]))
    def run(plan: Plan, wraps_at_s: float, timing: str) -> None:
        note(f"{plan} {wraps_at_s} {timing}")
        check(mpegts(plan, WRAP - round(wraps_at_s * 90_000)), plan, "ts", timing, tmp_path)

    run()
