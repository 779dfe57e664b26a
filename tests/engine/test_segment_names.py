import re

import pytest

from tests.options import resolved
from video2mp3.engine import ResolvedOptions
from video2mp3.engine.segment_names import first_suffix_pattern, segment_suffixes

SPLIT, TRACKS = resolved(split="chapters"), resolved(track="all")
BOTH = resolved(split="chapters", track="all")


@pytest.mark.parametrize(
    ("options", "tracks", "endings"),
    [
        (resolved(track=2), [2], [""]),
        (SPLIT, [1], ["-01"]),
        (resolved(split=600.0), [3, 3], ["-01", "-02"]),
        (TRACKS, [1, 3], ["-track1", "-track3"]),
        (BOTH, [1, 1, 2], ["-track1-01", "-track1-02", "-track2-01"]),
    ],
)
def test_segments_are_numbered_within_their_track(
    options: ResolvedOptions, tracks: list[int], endings: list[str]
) -> None:
    assert segment_suffixes(tracks, options) == endings
    assert options.makes_segments == (endings != [""])


def test_numbers_are_as_wide_as_the_largest() -> None:
    """It should keep a player's order by name, the same in each track."""
    assert segment_suffixes([1] * 100, SPLIT)[::99] == ["-001", "-100"]
    assert segment_suffixes([*[1] * 100, 2], BOTH)[100] == "-track2-001"


@pytest.mark.parametrize("options", [SPLIT, TRACKS, BOTH])
def test_the_first_segment_is_known_however_many_there_are(options: ResolvedOptions) -> None:
    """It should find the first of each track, and no other."""
    pattern = re.compile(first_suffix_pattern(options))
    for count in (1, 100):
        endings = segment_suffixes([*[1] * count, 12], options)
        found = [ending for ending in endings if pattern.fullmatch(ending)]
        expected = {e for e in endings if e.endswith(("-01", "-001"))} if options.split else set(endings)
        assert set(found) == expected
