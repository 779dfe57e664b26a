"""Converts thousands of mutated files, each in the real sandboxed engine, and says what became of them.

A number tells a mutation: `make fuzz-media ARGS="--first 1234 --count 1"` does one again, and `--keep FOLDER` writes
the files that something was wrong with.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from tests.engine.converting import by_ffprobe
from tests.engine.decoders import samples_decoded
from tests.engine.mutations import Mutation, corpus, mutation
from tests.engine.processes import children, peak_rss_bytes
from tests.engine.sounds import BytesSource
from video2mp3.engine import FileSource, Limits, Options, Report, Source, convert
from video2mp3.errors import MediaError, Video2mp3Error

LIMITS = Limits(wall_clock_s=60, no_progress_s=30, max_audio_s=3600, threads=1)
GRACE_S = 30.0
"""For the parent to see the deadline, on a machine that is busy."""
MAX_RSS_BYTES = 256 * 1024**2
_WATCH_INTERVAL_S = 0.01


@dataclass(frozen=True)
class Result:
    """What became of one conversion."""

    number: int
    outcome: str
    """"mp3", or the error's code."""
    faults: tuple[str, ...]
    """What must not be."""
    seconds: float
    peak_rss_bytes: int
    """Of the process that read the file."""


def try_mutation(number: int) -> Result:
    """Converts a mutation, and looks at how that went."""
    case = mutation(number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, Path(case.file).name)
        path.write_bytes(case.data)
        with FileSource(path) as file:
            return try_source(number, BytesSource(case.data) if case.in_ranges else file, case.options)


def try_source(
    number: int,
    source: Source,
    options: Mapping[str, Any],
    limits: Limits = LIMITS,
    max_rss_bytes: int = MAX_RSS_BYTES,
) -> Result:
    """Converts a source, and looks at how that went."""
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        mp3 = Path(folder, "out.mp3")
        with _MemoryWatch() as watch, mp3.open("w+b") as sink:
            outcome, faults = _convert(source, sink, Options.from_dict(dict(options)), limits)
        seconds = time.monotonic() - started_s
        if isinstance(outcome, Report):
            # What is copied is as it was: what is wrong with it is the source's.
            faults += [] if options.get("copy") else complaints_about(mp3, outcome)
            outcome = "mp3"
    if seconds > limits.wall_clock_s + GRACE_S:
        faults.append(f"it took {seconds:.0f} s")
    if watch.peak_bytes > max_rss_bytes:
        faults.append(f"it took {watch.peak_bytes / 1e6:.0f} MB")
    if children():
        faults.append("its process is still there")
    return Result(number, outcome, tuple(faults), seconds, watch.peak_bytes)


def _convert(source: Source, sink: BinaryIO, options: Options, limits: Limits) -> tuple[str | Report, list[str]]:
    """Returns the report, or how it ended otherwise; and what was wrong with that."""
    try:
        return convert(source, sink, options, limits=limits), []
    except MediaError as error:
        return error.code, []
    except Video2mp3Error as error:
        return error.code, [f"{error.code}: {error.detail}"]
    except Exception as error:
        return "no code", [f"{type(error).__name__}: {error}"]


def complaints_about(mp3: Path, report: Report) -> list[str]:
    """Returns what independent decoders have to complain of."""
    data, complaints = mp3.read_bytes(), []
    for segment in {*report.segments[:2], report.segments[-1]}:
        path = mp3.with_name("segment.mp3")
        path.write_bytes(data[segment.offset_bytes : segment.offset_bytes + segment.size_bytes])
        channels = report.mp3_channels if len(report.segments) == 1 else int(by_ffprobe(path)["channels"])
        try:
            found = samples_decoded(path, channels)
        except pytest.fail.Exception as complaint:
            complaints.append(str(complaint))
            continue
        if found != (segment.samples, segment.samples):
            complaints.append(f"{segment.samples} samples were promised, ffmpeg and mpg123 found {found}")
    return complaints


class _MemoryWatch(threading.Thread):
    """Looks at the largest memory of the processes that convert, a hundred times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_WATCH_INTERVAL_S):
            self.peak_bytes = max([self.peak_bytes, *map(peak_rss_bytes, children())])

    def __enter__(self) -> "_MemoryWatch":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self.join()


# -- several at once, each in a process that may die -----------------------------------------------------


def results(
    numbers: Iterable[int],
    processes: int,
    attempt: Callable[[int], Result] = try_mutation,
    patience_s: float = LIMITS.wall_clock_s + 3 * GRACE_S,
) -> Iterator[Result]:
    """Yields what became of each, in their order; a process that dies or hangs is a result too."""
    mine = threading.local()
    started = []

    def do(number: int) -> Result:
        if not hasattr(mine, "converter"):
            mine.converter = _Converter(attempt, patience_s)
            started.append(mine.converter)
        result: Result = mine.converter.do(number)
        return result

    try:
        with ThreadPoolExecutor(processes) as pool:
            yield from pool.map(do, numbers)
    finally:
        for converter in started:
            converter.close()


class _Converter:
    """A process that does one after the other, started again when it is lost."""

    def __init__(self, attempt: Callable[[int], Result], patience_s: float) -> None:
        self._attempt = attempt
        self._patience_s = patience_s
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._attempt), daemon=True)
        self._process.start()
        theirs.close()
        self._ours.recv()  # it has started

    def do(self, number: int) -> Result:
        started_s = time.monotonic()
        fault = "the parent hangs"
        try:
            self._ours.send(number)
            if self._ours.poll(self._patience_s):
                result: Result = self._ours.recv()
                return result
        except (EOFError, ConnectionError):
            fault = "the parent died"
        self.close()
        self._start()
        return Result(number, "no answer", (fault,), time.monotonic() - started_s, 0)

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._ours.close()


def _serve(connection: Any, attempt: Callable[[int], Result]) -> None:
    connection.send(None)
    while True:
        connection.send(attempt(connection.recv()))


# -- the report ------------------------------------------------------------------------------------------


def summary(found: list[Result]) -> str:
    """What became of all."""
    seconds = sorted(result.seconds for result in found)
    slowest = max(found, key=lambda result: result.seconds)
    largest = max(found, key=lambda result: result.peak_rss_bytes)
    lines = [f"{count:6} {outcome}" for outcome, count in Counter(result.outcome for result in found).most_common()]
    return "\n".join(
        [
            f"{len(found)} mutations:",
            *lines,
            f"time: median {statistics.median(seconds):.2f} s, slowest {slowest.seconds:.2f} s ({slowest.number})",
            f"memory: most {largest.peak_rss_bytes / 2**20:.0f} MiB ({largest.number})",
            f"faults: {sum(1 for result in found if result.faults)}",
        ]
    )


def main() -> int:
    """Does those that were asked for; the exit status is 1 where something was wrong."""
    parser = argparse.ArgumentParser(prog="make fuzz-media", description=__doc__)
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="the first mutation's number")
    parser.add_argument("--count", type=int, default=5000, metavar="NUMBER", help="how many (5000)")
    parser.add_argument("--processes", type=int, default=2, metavar="NUMBER", help="how many at once (2)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the files that something was wrong with")
    arguments = parser.parse_args()
    if not corpus():
        print("The media corpus is not there; see tests/media.py.", file=sys.stderr)
        return 2
    found = []
    numbers = range(arguments.first, arguments.first + arguments.count)
    for result in results(numbers, arguments.processes):
        found.append(result)
        if result.faults:
            _tell(mutation(result.number), result, arguments.keep)
        if len(found) % 250 == 0:
            print(f"{len(found)} of {len(numbers)} …", flush=True)
    print(summary(found))
    return 1 if any(result.faults for result in found) else 0


def _tell(case: Mutation, result: Result, keep: Path | None) -> None:
    print(f"FAULT {case}: {'; '.join(result.faults)}", flush=True)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{case.number}-{Path(case.file).name}").write_bytes(case.data)


if __name__ == "__main__":
    sys.exit(main())
