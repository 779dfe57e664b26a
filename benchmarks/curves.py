"""Speed against threads, and peak memory against the length of the audio."""

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.contenders import ours
from benchmarks.inputs import ensure, seconds
from benchmarks.measure import compare, share_of_limit

THREADS = (1, 2, 3, 4, 8)
PROCESSES = ("command line", "zygote", "conversion")


def threads(name: str, rounds: int) -> dict[str, Any]:
    """Returns how many times faster than real time a file is converted by so many threads, and the limit."""
    source, mode = ensure(name), ("--bitrate", "192")
    found = [share_of_limit("Speed by threads", source, mode, rounds, count) for count in THREADS]
    return {
        "title": "Speed, CBR 192k, by the number of encoder threads",
        "x": "threads",
        "at": list(THREADS),
        "y": "times real time",
        "series": {
            label: [seconds(name) / statistics.median(each[what]) for each in found]
            for label, what in (("video2mp3", "ours_s"), ("the limit", "limit_s"))
        },
    }


def memory(lengths: Sequence[str]) -> dict[str, Any]:
    """Returns the most memory (PSS) of the processes of a conversion, for talks of these lengths."""
    series: dict[str, list[float]] = {name: [] for name in ("all processes", *PROCESSES)}
    for length in lengths:
        contenders = {"video2mp3": ours("--bitrate", "192")}
        comparison = compare(f"Memory, {length}", ensure(f"talk-{length}.mp4"), contenders, 1)
        each = comparison.pss_bytes("video2mp3")
        for name, size_bytes in zip(series, (sum(each), *each), strict=True):
            series[name].append(size_bytes / 2**20)
    return {
        "title": "Most memory (PSS) by the length of the audio",
        "x": "minutes",
        "at": [round(seconds(f"talk-{length}.mp4") / 60, 2) for length in lengths],
        "y": "MiB",
        "series": series,
    }
