"""Names of segments: talk-01.mp3, talk-track2.mp3, talk-track2-01.mp3."""

from collections import Counter
from collections.abc import Sequence
from itertools import count

from video2mp3.engine.options import ResolvedOptions

MAX_SUFFIX_BYTES = len("-track100-999")


def segment_suffixes(tracks: Sequence[int], options: ResolvedOptions) -> list[str]:
    """Returns the text between a name's stem and its extension, for each segment.

    Args:
        tracks: the track number of each segment, in order.
        options: the requested options.
    """
    if not options.makes_segments:
        return [""] * len(tracks)
    with_track, with_number = options.all_tracks, options.split is not None
    width = max(2, len(str(max(Counter(tracks).values()))))
    numbers = {track: count(1) for track in tracks}
    return [
        (f"-track{track}" if with_track else "") + (f"-{next(numbers[track]):0{width}}" if with_number else "")
        for track in tracks
    ]


def first_suffix_pattern(options: ResolvedOptions) -> str:
    """Returns a pattern for the suffix of a track's first segment, for any number of segments."""
    return _suffix_pattern(options, "0{1,2}1")


def any_suffix_pattern(options: ResolvedOptions) -> str:
    """Returns a pattern for the suffixes of all segments, for any number of them."""
    return _suffix_pattern(options, r"\d{2,3}")


def _suffix_pattern(options: ResolvedOptions, number: str) -> str:
    return (r"-track\d+" if options.all_tracks else "") + (f"-{number}" if options.split is not None else "")
