"""A split that is only planned has the segments that the conversion makes."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.converting import converted, make
from tests.engine.sounds import wav_with, write_wav
from video2mp3.engine import FileSource, Options, PlannedSegment, plan_split
from video2mp3.errors import InvalidOption, StartOutOfRange, TooManySegments

SILENCE: dict[str, Any] = {"split": "silence", "silence_s": 0.4, "silence_db": -35}
CASES: dict[str, dict[str, Any]] = {
    "silence": SILENCE,
    "trimmed": {**SILENCE, "start_s": 0.33, "end_s": 3.9, "channels": 1, "sample_rate_hz": 24000},
    "louder": {**SILENCE, "silence_db": -38, "loudness_lufs": -12},
    "quieter": {**SILENCE, "silence_db": -38, "loudness_lufs": -35, "fade_in_s": 2},
    "mixed": {**SILENCE, "track": "mix", "silence_db": -30},
    "every track": {**SILENCE, "track": "all"},
    "packed": {**SILENCE, "timing": "packed"},
    "copied": {**SILENCE, "copy": True},
    "own chapters": {"split": "chapters", "own_chapters": "0.5 One\n0.51 Too short\n3 Two"},
    "lengths": {"split": 1.5},
}


@pytest.fixture(scope="module")
def pauses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks of loud and quiet sounds with pauses in which it hums."""
    folder = tmp_path_factory.mktemp("pauses")
    sounds = [
        f"aevalsrc='0.5*sin({hz}*t)*({loud})+0.012*sin(700*t)':s=44100:d=5"
        for hz, loud in [
            (2000, "between(t,0.2,1)+between(t,1.7,2.4)+0.02*between(t,3,3.3)+between(t,4,4.6)"),
            (3000, "between(t,0,0.9)+between(t,3.5,4.5)"),
        ]
    ]
    inputs = [word for sound in sounds for word in ("-f", "lavfi", "-i", sound)]
    return make(folder / "pauses.mka", *inputs, "-map", "0", "-map", "1", "-c:a", "libmp3lame", "-b:a", "128k")


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_the_plan_is_what_the_conversion_makes(options: dict[str, Any], pauses: Path, tmp_path: Path) -> None:
    made = converted(pauses, tmp_path / "a.mp3", **options).segments
    planned = plan_split(FileSource(pauses), Options(**options))
    assert planned == tuple(PlannedSegment(one.track, one.start_s, one.duration_s, one.title) for one in made)
    assert len(planned) > 1


def test_the_loudness_moves_no_cut(pauses: Path) -> None:
    """It should look for silence in the source: this is what the cases with a loudness rely on."""
    at = [
        [
            one.start_s
            for one in plan_split(FileSource(pauses), Options(**{**SILENCE, "silence_db": -38, "loudness_lufs": lufs}))
        ]
        for lufs in (None, -12, -35)
    ]
    assert at[0] == at[1] == at[2]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, InvalidOption),
        ({"split": "silence", "start_s": 100}, StartOutOfRange),
        ({"split": 1, "track": "all"}, None),
    ],
)
def test_a_plan_fails_as_the_conversion_does(
    options: dict[str, Any], error: type[Exception] | None, tmp_path: Path
) -> None:
    source = FileSource(write_wav(tmp_path / "a.wav", 3 * 8000, rate_hz=8000))
    if error is None:
        assert len(plan_split(source, Options(**options))) == 3
    else:
        with pytest.raises(error):
            plan_split(source, Options(**options))


def test_too_many_segments_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav_with(bytes(1200 * 2 * 8000)))
    source = FileSource(tmp_path / "a.wav")
    with pytest.raises(TooManySegments, match="more than 999 MP3s"):
        plan_split(source, Options(split=1))
