import re

import pytest

from video2mp3.engine.segment_names import first_suffix_pattern, makes_segments, segment_suffixes

SPLIT, TRACKS = {"split": "chapters"}, {"track": "all"}


@pytest.mark.parametrize(
    ("options", "tracks", "endings"),
    [
        ({"track": 2}, [2], [""]),
        (SPLIT, [1], ["-01"]),
        ({"split": 600.0}, [3, 3], ["-01", "-02"]),
        (TRACKS, [1, 3], ["-track1", "-track3"]),
        (SPLIT | TRACKS, [1, 1, 2], ["-track1-01", "-track1-02", "-track2-01"]),
    ],
)
def test_segments_are_numbered_within_their_track(
    options: dict[str, object], tracks: list[int], endings: list[str]
) -> None:
    assert segment_suffixes(tracks, options) == endings
    assert makes_segments(options) == (endings != [""])


def test_numbers_are_as_wide_as_the_largest() -> None:
    """It should keep a player's order by name, the same in each track."""
    assert segment_suffixes([1] * 100, SPLIT)[::99] == ["-001", "-100"]
    assert segment_suffixes([*[1] * 100, 2], SPLIT | TRACKS)[100] == "-track2-001"


@pytest.mark.parametrize("options", [SPLIT, TRACKS, SPLIT | TRACKS])
def test_the_first_segment_is_known_however_many_there_are(options: dict[str, object]) -> None:
    """It should find the first of each track, and no other."""
    pattern = re.compile(first_suffix_pattern(options))
    for count in (1, 100):
        endings = segment_suffixes([*[1] * count, 12], options)
        found = [ending for ending in endings if pattern.fullmatch(ending)]
        expected = {e for e in endings if e.endswith(("-01", "-001"))} if "split" in options else set(endings)
        assert set(found) == expected
