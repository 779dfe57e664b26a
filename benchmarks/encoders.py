"""What one encoder costs, ours beside Debian's ffmpeg, and how well this machine runs two at the same time."""

import json
import resource
import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.contenders import debian_ffmpeg
from benchmarks.inputs import LOOP_S
from benchmarks.measure import limit_command, spread

Figures = Mapping[str, Sequence[float]]


def measure(source: Path, mode: Sequence[str], ffmpeg_mode: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Encodes PCM of LOOP_S seconds in turns, by one thread of one process, then of two at the same time.

    Returns:
        Of each round: our CPU time and ffmpeg's, in milliseconds per second of sound, and how many times as much two
        processes do as one.
    """
    found: dict[str, list[float]] = {"ours_ms": [], "ffmpeg_ms": [], "two_by_one": []}
    for _ in range(rounds):
        (alone,) = _limits(source, mode, processes=1)
        both = _limits(source, mode, processes=2)
        found["ours_ms"].append(1000 * alone["encode_cpu_s"] / LOOP_S)
        found["ffmpeg_ms"].append(1000 * _ffmpeg_cpu_s(source, ffmpeg_mode) / LOOP_S)
        found["two_by_one"].append(sum(alone["encode_wall_s"] / one["encode_wall_s"] for one in both))
    return found


def line(found: Figures) -> str:
    """One line of text."""
    ours, theirs = (f"{spread(found[name])} ms" for name in ("ours_ms", "ffmpeg_ms"))
    return f"CPU per second of sound: ours {ours}, ffmpeg {theirs}; two processes by one {spread(found['two_by_one'])}"


def report(contents: Mapping[str, Figures]) -> Iterator[str]:
    """Yields lines of Markdown."""
    yield "CPU time per second of sound, from PCM to an MP3 at CBR 192k, by one thread; ffmpeg's with its start. Two by"
    yield "one: how many times as much two processes of ours do as one; 2.00 is what two cores of their own give."
    yield ""
    yield "| | ours | ffmpeg (Debian) | two by one |"
    yield "|---|--:|--:|--:|"
    for title, found in contents.items():
        ours, theirs = (f"{statistics.median(found[name]):.1f} ms" for name in ("ours_ms", "ffmpeg_ms"))
        yield f"| {title} | {ours} | {theirs} | {spread(found['two_by_one'])} |"


def _limits(source: Path, mode: Sequence[str], processes: int) -> list[dict[str, float]]:
    command = limit_command(source, mode, threads=1)
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(processes)]
    printed = [process.communicate()[0] for process in running]
    return [json.loads(text) for text in printed]


def _ffmpeg_cpu_s(source: Path, mode: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(debian_ffmpeg(*mode)(source, Path(folder, "out.mp3")), check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
