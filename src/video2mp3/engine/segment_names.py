"""The names of the MP3s that one conversion makes: talk-01.mp3, talk-track2.mp3, talk-track2-01.mp3."""

from collections import Counter
from collections.abc import Sequence
from itertools import count

from video2mp3.engine.options import ResolvedOptions


def segment_suffixes(tracks: Sequence[int], options: ResolvedOptions) -> list[str]:
    """Returns what goes between a name's stem and its suffix, for each segment.

    Args:
        tracks: the number of the track that each segment is of, in the segments' order.
        options: those that were asked for.
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
    """Returns a pattern of the ending that the first segment of a track has, however many there are."""
    return (r"-track\d+" if options.all_tracks else "") + ("-0{1,2}1" if options.split is not None else "")
