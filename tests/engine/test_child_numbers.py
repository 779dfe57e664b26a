"""Numbers from the child: whatever it says, what is made of it is finite and bounded, or the child has crashed."""

import itertools
import json
import math
from typing import Any

import pytest

from video2mp3.engine.parent.child_messages import progress_of, tracks_of, waveform_of
from video2mp3.engine.parent.fields import Fields
from video2mp3.errors import EngineCrashed

# As they come out of the child's JSON.
EXTREMES = [
    json.loads(text)
    for text in ("5e-324", "1e-308", "1e308", "-0.0", "-1", str(2**63), "9" * 400, "NaN", "Infinity", "true", '"1"')
]


@pytest.mark.parametrize(
    "name", ["int_field", "optional_int_field", "seconds_field", "optional_seconds_field", "level_field"]
)
@pytest.mark.parametrize("value", EXTREMES, ids=lambda value: str(value)[:20])
def test_a_number_is_bounded_or_a_crash(name: str, value: Any) -> None:
    try:
        found = getattr(Fields({"n": value}), name)("n")
    except EngineCrashed:
        return
    assert math.isfinite(found)
    assert abs(found) <= 2**48
    assert found == 0 or abs(found) >= 1e-6 or name == "level_field"


@pytest.mark.parametrize(("done_s", "total_s"), list(itertools.product([0, 10, *EXTREMES], [None, *EXTREMES])))
def test_progress_is_a_percentage_or_a_crash(done_s: Any, total_s: Any) -> None:
    try:
        progress = progress_of({"done_s": done_s, "total_s": total_s})
    except EngineCrashed:
        return
    assert 0 <= progress.percent <= 99


@pytest.mark.parametrize("value", EXTREMES, ids=lambda value: str(value)[:20])
def test_peaks_are_bounded(value: Any) -> None:
    with pytest.raises(EngineCrashed):
        waveform_of({"duration_s": 1, "step_s": 1, "peaks": [value]})


@pytest.mark.parametrize("value", [0, *EXTREMES], ids=lambda value: str(value)[:20])
def test_a_rate_can_be_divided_by(value: Any) -> None:
    with pytest.raises(EngineCrashed):
        Fields({"n": value}).rate_field("n")


@pytest.mark.parametrize("flags", [["default"] * 13, ["x" * 300], [1], "default"])
def test_flags_are_known_and_few(flags: Any) -> None:
    track = {"codec": "aac", "channels": 2, "sample_rate_hz": 0, "decodable": True}
    assert tracks_of(Fields({"tracks": [{**track, "flags": ["default", "dub"]}]}))[0].flags == ("default", "dub")
    with pytest.raises(EngineCrashed):
        tracks_of(Fields({"tracks": [{**track, "flags": flags}]}))
