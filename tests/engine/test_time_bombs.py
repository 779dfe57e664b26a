"""Small files that claim much time: each ends within the limits, before the silence is made."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.timed_media import WRAP, Plan, Run, Timed, matroska, mp4_edits, mpegts, webm
from video2mp3.engine import FileSource, Limits, Options, Report, convert, probe, waveform
from video2mp3.engine.report import MAX_CHAPTERS, MAX_REPORTED_GAPS
from video2mp3.errors import Video2mp3Error

LIMITS = Limits(max_audio_s=3600, wall_clock_s=60)
DAY_S, YEAR_S = 86_400, 365 * 86_400
ALL = Plan((Run(0, 12, 0),))


def outcome(content: bytes, folder: Path, **options: Any) -> Report | str:
    """The report, or the error's code."""
    (folder / "in").write_bytes(content)
    with FileSource(folder / "in") as source, (folder / "out.mp3").open("wb") as sink:
        try:
            return convert(source, sink, Options(**options), limits=LIMITS)
        except Video2mp3Error as error:
            return error.code


def with_gap(gap_s: float, start_s: float = 0) -> bytes:
    return webm(Plan((Run(0, 1, start_s), Run(1, 1, start_s + 1 + gap_s)), video_at_s=0.0))


@pytest.mark.parametrize(("gap_s", "start_s"), [(DAY_S, 0), (9 * YEAR_S, 0), (1, 2 * DAY_S)])
def test_silence_beyond_the_limit_is_refused_before_it_is_made(gap_s: float, start_s: float, tmp_path: Path) -> None:
    assert outcome(with_gap(gap_s, start_s), tmp_path) == "audio_too_long"
    assert (tmp_path / "out.mp3").stat().st_size < 10**5


@pytest.mark.parametrize(
    ("options", "duration_s", "segments"),
    [
        ({"end_s": 5}, 5, 1),
        ({"timing": "packed"}, 2, 1),
        ({"timing": "packed", "split": 1}, 2, 2),
        ({"timing": "packed", "split": "silence"}, 2, 2),
        ({"timing": "packed", "fade_in_s": 1, "fade_out_s": 1}, 2, 1),
        ({"timing": "packed", "start_s": DAY_S}, 1, 1),
    ],
    ids=str,
)
def test_a_gap_of_years_is_no_work_where_it_is_not_asked_for(
    options: dict[str, Any], duration_s: float, segments: int, tmp_path: Path
) -> None:
    report = outcome(with_gap(9 * YEAR_S), tmp_path, **options)
    assert isinstance(report, Report)
    assert report.duration_s == pytest.approx(duration_s, abs=0.03)
    assert len(report.segments) == segments


def test_a_waveform_of_years_ends_at_the_limit(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(with_gap(9 * YEAR_S))
    with FileSource(tmp_path / "in") as source:
        found = waveform(source, limits=LIMITS)
    assert found.duration_s == pytest.approx(LIMITS.max_audio_s, abs=1)
    assert max(found.peaks[:1]) > max(found.peaks[2:]) == 0


def packets_at(steps_s: float) -> tuple[Timed, ...]:
    return tuple(replace(packet, at_s=number * steps_s) for number, packet in enumerate(ALL.packets("aac", "")))


def test_a_jump_in_every_packet_joins_them_all(tmp_path: Path) -> None:
    """It should count each: half of the 33 bits, forward and then back by the wrap."""
    report = outcome(mpegts(ALL, packets=packets_at(WRAP / 2 / 90_000)), tmp_path)
    assert isinstance(report, Report)
    assert report.duration_s == pytest.approx(12, abs=0.1)
    assert report.timeline.discontinuities > 500


@pytest.mark.parametrize("timing", ["file", "packed"])
def test_a_gap_before_every_packet_is_counted(timing: str, tmp_path: Path) -> None:
    runs = [Run(second, 1, second * (WRAP / 1000)) for second in range(12)]
    plan = Plan(tuple(replace(run, at_s=run.at_s + n) for n, run in enumerate(runs)))
    report = outcome(matroska(plan), tmp_path, timing=timing)
    if timing == "file":
        assert report == "audio_too_long"
    else:
        assert isinstance(report, Report)
        assert report.timeline.gap_count == 11
        assert report.duration_s == pytest.approx(12, abs=0.1)


def test_only_the_first_gaps_are_listed(tmp_path: Path) -> None:
    spread = packets_at(0.1)
    report = outcome(mpegts(ALL, packets=spread), tmp_path)
    assert isinstance(report, Report)
    assert report.timeline.gap_count == len(spread) - 1
    assert len(report.timeline.gaps) == MAX_REPORTED_GAPS
    assert report.duration_s == pytest.approx(len(spread) * 0.1, abs=0.1)
    assert report.timeline.gaps_s == pytest.approx(report.timeline.gap_count * (0.1 - 1024 / 48_000), abs=0.01)


def test_a_thousand_edits_become_what_they_say(tmp_path: Path) -> None:
    runs = tuple(Run(0, 1, 1.25 * number) for number in range(1000))
    report = outcome(mp4_edits(Plan(runs)), tmp_path, end_s=20)
    assert isinstance(report, Report)
    assert report.duration_s == 20


def test_65535_chapters_are_taken_up_to_the_limit(tmp_path: Path) -> None:
    chapters = tuple((n / 10_000, (n + 1) / 10_000, str(n)) for n in range(65_535))
    content = matroska(Plan((Run(0, 7, 0),), chapters=chapters))
    report = outcome(content, tmp_path)
    assert isinstance(report, Report)
    with FileSource(tmp_path / "in") as source:
        assert len(probe(source).chapters) == MAX_CHAPTERS
