"""Runs commands in turns, and watches how long they take and how much memory they and their children have."""

import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import Command

_SAMPLE_INTERVAL_S = 0.1


@dataclass(frozen=True)
class Run:
    """One run of one command."""

    wall_s: float
    peak_rss_bytes: int
    """Of all its processes together, pages that they share counted in each."""


def run(command: list[str]) -> Run:
    """Runs it to its end.

    Raises:
        CalledProcessError: it failed.
    """
    started_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watch = _Watch(process.pid)
    watch.start()
    code = process.wait()
    wall_s = time.perf_counter() - started_s
    watch.stopping.set()
    watch.join()
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Run(wall_s, watch.peak_rss_bytes)


class _Watch(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.peak_rss_bytes = 0
        self._pid = pid

    def run(self) -> None:
        while not self.stopping.wait(_SAMPLE_INTERVAL_S):
            self.peak_rss_bytes = max(self.peak_rss_bytes, sum(map(_rss_bytes, _family(self._pid))))


def _family(pid: int) -> list[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _rss_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


@dataclass
class Comparison:
    """What several took for the same file, run by run."""

    title: str
    runs: dict[str, list[Run]]

    @property
    def first(self) -> str:
        """The one that the others are compared with: ours."""
        return next(iter(self.runs))

    def wall_s(self, name: str) -> float:
        """Its median."""
        return statistics.median(run.wall_s for run in self.runs[name])

    def ratios(self, name: str) -> list[float]:
        """How many times as long it took as ours, in each turn."""
        return [
            theirs.wall_s / ours.wall_s for theirs, ours in zip(self.runs[name], self.runs[self.first], strict=True)
        ]

    def peak_rss_bytes(self, name: str) -> int:
        """Its largest."""
        return max(run.peak_rss_bytes for run in self.runs[name])

    def line(self, name: str) -> str:
        """One line of text."""
        ratios = self.ratios(name)
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        memory = self.peak_rss_bytes(name) / 1e6
        return f"{name:24} {self.wall_s(name):8.2f} s  ratio {spread:18} {memory:6.0f} MB"


def compare(title: str, source: Path, contenders: Mapping[str, Command], rounds: int) -> Comparison:
    """Lets each convert the file, in turns."""
    comparison = Comparison(title, {name: [] for name in contenders})
    print(f"\n{title} ({source.name}, {rounds} rounds)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, command in contenders.items():
                comparison.runs[name].append(run(command(source, Path(folder, "out.mp3"))))
    for name in contenders:
        print("  " + comparison.line(name), flush=True)
    return comparison
