"""The names of the MP3s that one conversion makes: talk-01.mp3, talk-track2.mp3, talk-track2-01.mp3."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any


def makes_segments(options: Mapping[str, Any]) -> bool:
    """Returns whether these options ask for more than one MP3, even where it then is one: it is named as a segment."""
    return options.get("split") is not None or options.get("track") == "all"


def segment_suffixes(tracks: Sequence[int], options: Mapping[str, Any]) -> list[str]:
    """Returns what goes between a name's stem and its suffix, for each segment.

    Args:
        tracks: the number of the track that each segment is of, in the segments' order.
        options: those that were asked for.
    """
    if not makes_segments(options):
        return [""] * len(tracks)
    with_track, with_number = options.get("track") == "all", options.get("split") is not None
    width = max(2, len(str(max(Counter(tracks).values()))))
    numbers = {track: count(1) for track in tracks}
    return [
        (f"-track{track}" if with_track else "") + (f"-{next(numbers[track]):0{width}}" if with_number else "")
        for track in tracks
    ]


def first_suffix_pattern(options: Mapping[str, Any]) -> str:
    """Returns a pattern of the ending that the first segment of a track has, however many there are."""
    with_track, with_number = options.get("track") == "all", options.get("split") is not None
    return (r"-track\d+" if with_track else "") + ("-0{1,2}1" if with_number else "")
