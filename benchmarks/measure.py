"""Runs commands in turns, and watches how long they take and how much memory they and their children have."""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import Command, ours
from video2mp3.engine.cpus import available_cpus

_SAMPLE_INTERVAL_S = 0.1
_WATCHING_SHARE = 0.05
"""Of the time so far, until the next look: looking takes a core from whom it watches, more from those that use all."""


@dataclass(frozen=True)
class Run:
    """One run of one command."""

    wall_s: float
    peak_rss_bytes: int
    """Of all its processes together, pages that they share counted in each."""
    pss_bytes: tuple[int, ...] = ()
    """Of each process when they had most together: shared pages are divided by the processes that share them. The
    command is the first, then its children."""


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
    return Run(wall_s, watch.peak_rss_bytes, watch.pss_bytes)


class _Watch(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.peak_rss_bytes = 0
        self.pss_bytes: tuple[int, ...] = ()
        self._pid = pid

    def run(self) -> None:
        started_s = time.monotonic()
        while not self.stopping.wait(max(_SAMPLE_INTERVAL_S, _WATCHING_SHARE * (time.monotonic() - started_s))):
            processes = family(self._pid)
            self.peak_rss_bytes = max(self.peak_rss_bytes, sum(map(_peak_rss_bytes, processes)))
            self.pss_bytes = max(self.pss_bytes, tuple(map(_pss_bytes, processes)), key=sum)


def family(pid: int) -> list[int]:
    """Returns a process and all its descendants, parents first."""
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


def _peak_rss_bytes(pid: int) -> int:
    """Returns the most that a process has had so far."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return _kilobytes("VmHWM", status)


def _pss_bytes(pid: int) -> int:
    try:
        return _kilobytes("Pss", Path(f"/proc/{pid}/smaps_rollup").read_text())
    except OSError:
        return 0


def _kilobytes(name: str, text: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB", text, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def share_of_limit(
    title: str, source: Path, mode: Sequence[str], rounds: int, threads: int | None = None
) -> dict[str, list[float]]:
    """Measures ours and the limit in turns; returns all that was measured, by name."""
    threads = threads or available_cpus()
    found: dict[str, list[float]] = {}
    print(f"\n{title}: the limit of {threads} threads ({source.name}, {rounds} rounds)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            started_s = time.perf_counter()  # unwatched, as the limit is
            subprocess.run(
                ours(*mode, threads=threads)(source, Path(folder, "out.mp3")), stdout=subprocess.DEVNULL, check=True
            )
            ours_s = time.perf_counter() - started_s
            for name, seconds in {"ours_s": ours_s, **_limit(source, mode, threads)}.items():
                found.setdefault(name, []).append(seconds)
    shares = [bound / mine for bound, mine in zip(found["limit_s"], found["ours_s"], strict=True)]
    print(f"  limit {statistics.median(found['limit_s']):.2f} s, share reached {spread(shares)}", flush=True)
    return found


def _limit(source: Path, mode: Sequence[str], threads: int) -> dict[str, float]:
    """Returns what `benchmarks.limit` says, run as a program of its own."""
    printed = subprocess.run(limit_command(source, mode, threads), stdout=subprocess.PIPE, check=True).stdout
    found: dict[str, float] = json.loads(printed)
    return found


def limit_command(source: Path, mode: Sequence[str], threads: int) -> list[str]:
    """Returns the command that runs `benchmarks.limit`."""
    return [sys.executable, "-m", "benchmarks.limit", str(source), *mode, "--threads", str(threads)]


def spread(values: Sequence[float]) -> str:
    """Returns the median with the smallest and the largest."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


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
        turns = zip(self.runs[name], self.runs[self.first], strict=True)
        return [theirs.wall_s / mine.wall_s for theirs, mine in turns]

    def peak_rss_bytes(self, name: str) -> int:
        """Its largest."""
        return max(run.peak_rss_bytes for run in self.runs[name])

    def pss_bytes(self, name: str) -> tuple[int, ...]:
        """Its largest, of each process."""
        return max((run.pss_bytes for run in self.runs[name]), key=sum)

    def memory(self, name: str) -> str:
        """Its largest PSS and RSS as text."""
        pss_bytes = sum(self.pss_bytes(name))
        pss = f"{pss_bytes / 2**20:.0f} MiB" if pss_bytes else "not measured"
        return f"{pss} (RSS {self.peak_rss_bytes(name) / 2**20:.0f} MiB)"

    def line(self, name: str) -> str:
        """One line of text."""
        return f"{name:24} {self.wall_s(name):8.2f} s  ratio {spread(self.ratios(name)):21} {self.memory(name)}"


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
