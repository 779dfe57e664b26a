"""All comparisons, interleaved, in one run: `make bench`, or `make bench ARGS=--quick`."""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks import report
from benchmarks.contenders import Command, debian_ffmpeg, moviepy, ours, pyav, wheel_ffmpeg
from benchmarks.inputs import ensure
from benchmarks.measure import Comparison, compare, run
from benchmarks.segments import plot_segment_lengths

THREADS = 2


def main() -> None:
    """Measures and writes the report."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 minutes instead of 60, fewer rounds, no slow peers")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the main comparison")
    parser.add_argument("--only", help="comparisons whose title has this in it")
    arguments = parser.parse_args()
    length, rounds = ("10min", min(arguments.rounds, 2)) if arguments.quick else ("60min", arguments.rounds)

    def chosen(title: str) -> bool:
        return not arguments.only or arguments.only in title

    comparisons = [
        compare(title, ensure(name), contenders, rounds if length in name else max(2, rounds - 2))
        for title, name, contenders in _comparisons(length, arguments.quick)
        if chosen(title)
    ]
    limit = _limit(ensure(f"talk-{length}.mp4"), rounds) if chosen("limit") else None
    if chosen("threads"):
        _plot_threads(rounds)
    if chosen("segments"):
        plot_segment_lengths(ensure("talk.wav"))
    if chosen("memory") and not arguments.quick:
        comparisons.append(_plot_memory())
    print(f"\n{report.write(comparisons, limit, [])}")


def _comparisons(length: str, quick: bool) -> list[tuple[str, str, dict[str, Command]]]:
    cbr, vbr, voice = ("--bitrate", "192"), ("--vbr", "2"), ("--bitrate", "64", "--channels", "1")
    both = {"ffmpeg (Debian)": debian_ffmpeg, "ffmpeg (imageio wheel)": wheel_ffmpeg}

    def against(mode: tuple[str, ...], *theirs: str) -> dict[str, Command]:
        return {"video2mp3": ours(*mode)} | {name: make(*theirs) for name, make in both.items()}

    slow = {} if quick else {"PyAV": pyav(), "moviepy": moviepy()}
    return [
        (f"talk, {length}, CBR 192k", f"talk-{length}.mp4", against(cbr, "-b:a", "192k")),
        (f"music, {length}, V2", f"music-{length}.mp4", against(vbr, "-q:a", "2")),
        (f"talk, {length}, mono 64k", f"talk-{length}.mp4", against(voice, "-ac", "1", "-b:a", "64k")),
        ("talk, 10 min, CBR 192k, all peers", "talk-10min.mp4", against(cbr, "-b:a", "192k") | slow),
        ("Opus in WebM, 10 min", "opus-10min.webm", against(cbr, "-b:a", "192k")),
        ("PCM in MOV, 10 min", "pcm-10min.mov", against(cbr, "-b:a", "192k")),
        ("talk, 3 min", "talk-3min.mp4", against(cbr, "-b:a", "192k")),
        ("talk, 10 s", "talk-10s.mp4", against(cbr, "-b:a", "192k")),
    ] + ([] if quick else [("1.5 GB of video, 3 min", "large-3min.mov", against(cbr, "-b:a", "192k"))])


def _limit(source: Path, rounds: int) -> dict[str, float]:
    """Measures ours and the limit in turns."""
    target = source.with_name("out.mp3")
    shares, found = [], {}
    for _ in range(rounds):
        wall_s = run(ours("--bitrate", "192", threads=THREADS)(source, target)).wall_s
        command = [sys.executable, "-m", "benchmarks.limit", str(source), "192", str(THREADS)]
        found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        shares.append(found["limit_s"] / wall_s)
    share = statistics.median(shares)
    print(
        f"\nlimit: {found['limit_s']:.2f} s; share reached {share:.3f} ({min(shares):.3f}-{max(shares):.3f})",
        flush=True,
    )
    return {**found, "share": share}


def _plot_threads(rounds: int) -> None:
    """Speed against threads, in times real time."""
    source, counts = ensure("talk-10min.mp4"), (1, 2, 3, 4, 8)
    contenders = {f"{n} threads": ours("--bitrate", "192", threads=n) for n in counts}
    comparison = compare("threads", source, contenders, rounds)
    speeds = [600 / comparison.wall_s(name) for name in contenders]
    report.plot("threads", "Speed, CBR 192k", ("threads", counts), "times real time", {"video2mp3": speeds})


def _plot_memory() -> Comparison:
    """Peak memory against duration."""
    names = {"10 min": "talk-10min.mp4", "60 min": "talk-60min.mp4", "10 h": "talk-10h.mp4"}
    runs = {
        label: compare(f"memory, {label}", ensure(name), {"video2mp3": ours("--bitrate", "192")}, 1).runs["video2mp3"]
        for label, name in names.items()
    }
    peaks = [each[0].peak_rss_bytes / 1e6 for each in runs.values()]
    report.plot("memory", "Peak memory, parent and children", ("minutes", (10, 60, 600)), "MB", {"video2mp3": peaks})
    return Comparison("Memory against duration", runs)


if __name__ == "__main__":
    main()
