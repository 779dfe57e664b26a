"""Converts several files in parallel and reports each result; for `convert` with and without `--watch`."""

import json
import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from video2mp3.cli.local.files import (
    check_before,
    existing_output,
    made_folder,
    no_room,
    other_segments,
    outputs_of,
    place,
    temporary_file,
)
from video2mp3.cli.local.inputs import Input, opened
from video2mp3.cli.local.output_paths import STANDARD_OUTPUT
from video2mp3.cli.local.progress import Display, OnProgress, display
from video2mp3.cli.terminal import clock, complain, discard, reason, shown, size
from video2mp3.engine import Limits, Report, ResolvedOptions, convert
from video2mp3.engine.formats import container_name
from video2mp3.errors import Canceled, FileExists, InvalidRequest, StorageFull, Video2mp3Error

_NAMED_FILES = 5
_TICK_S = 0.2
"""Longest time until an interrupt is noticed that came just before a wait."""


@dataclass(frozen=True)
class ConvertSettings:
    """Settings that apply to all files."""

    options: ResolvedOptions
    limits: Limits
    jobs: int
    """Number of files converted in parallel."""
    force: bool = False
    as_json: bool = False
    quiet: bool = False
    """Print nothing but errors."""
    verbose: bool = False
    """Print also what was found in each file, and how fast it was converted."""
    keep_times: bool = False
    """The MP3s get the modification time of their file."""


@dataclass(frozen=True)
class Task:
    """An input to convert."""

    given: Input
    target: Path
    """`-` for standard output."""
    skip_existing: bool = False
    is_stale: Callable[[], bool] = lambda: False
    """Called during the conversion and before the MP3 gets its name; True cancels the conversion silently."""

    @property
    def to_standard_output(self) -> bool:
        """Whether the MP3 is no file."""
        return str(self.target) == STANDARD_OUTPUT


@dataclass(frozen=True)
class Converted:
    """A converted file."""

    report: Report
    outputs: Sequence[Path]
    """The paths of the MP3s, one for each segment of the report."""
    took_s: float
    left: Sequence[Path] = ()
    """Segments of an earlier conversion, which are beside the outputs still."""


@dataclass
class Totals:
    """What became of all inputs."""

    converted: int = 0
    skipped: int = 0
    failed: int = 0
    audio_s: float = 0.0
    took_s: float = 0.0
    """Without the time in which a watch had nothing to do."""

    def __str__(self) -> str:
        counts = f"{self.converted} converted, {self.skipped} skipped, {self.failed} failed"
        if not self.audio_s:
            return counts
        speed = f"{self.audio_s / self.took_s:.0f}× real time"
        return f"{counts}; {_length(self.audio_s)} of audio in {_length(self.took_s)}, {speed}"


class _Exists(Exception):
    """There is an MP3 already, which the task keeps."""


def convert_files(tasks: Sequence[Task], settings: ConvertSettings, totals: Totals) -> None:
    """Converts the files in parallel, and reports and counts the results in order."""
    started_s, stopping = time.monotonic(), threading.Event()
    with display(len(tasks), quiet=settings.quiet) as bars, ThreadPoolExecutor(settings.jobs) as pool:
        unreported: deque[tuple[Task, Future[Converted]]] = deque()
        try:
            with _delayed(signal.SIGINT), _delayed(signal.SIGTERM):
                unreported.extend((task, pool.submit(_convert_one, task, settings, bars, stopping)) for task in tasks)
            while unreported:
                _wait_for_end(unreported[0][1])
                _report_result(*unreported.popleft(), settings, totals)
        finally:  # also when interrupted: then some may have ended behind a longer file
            stopping.set()
            pool.shutdown(cancel_futures=True)
            totals.took_s += time.monotonic() - started_s
            for task, future in unreported:
                if not future.cancelled():
                    _report_result(task, future, settings, totals)


def _convert_one(task: Task, settings: ConvertSettings, bars: Display, stopping: threading.Event) -> Converted:
    try:
        with bars.bar(task.given.file) as on_progress:
            return _write(task, settings, on_progress, lambda: stopping.is_set() or task.is_stale())
    except FileExists:
        if task.skip_existing:  # another run has converted it meanwhile
            raise _Exists from None
        raise


@contextmanager
def _delayed(number: signal.Signals) -> Iterator[None]:
    """Delays a signal that ends the run: within a pool or a future it may leave a lock that other threads wait for."""
    came: list[int] = []
    usual = signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(number, usual)
        if came:
            signal.raise_signal(number)


def _wait_for_end(future: "Future[Converted]") -> None:
    """Waits for its own lock, as an interrupt within the future may leave that locked."""
    running = threading.Lock()
    running.acquire()
    with _delayed(signal.SIGINT), _delayed(signal.SIGTERM):
        future.add_done_callback(lambda _: running.release())
    while not running.acquire(timeout=_TICK_S):
        pass  # Python handles a signal between two waits only, if another thread got it or none waited yet


def _report_result(task: Task, future: "Future[Converted]", settings: ConvertSettings, totals: Totals) -> None:
    """Counts a file, and prints its result on standard output, or its error on standard error."""
    name, in_segments = shown(str(task.given)), settings.options.makes_segments
    facts: dict[str, Any] = {"source": str(task.given)} | ({} if in_segments else {"output": str(task.target)})
    results = sys.stderr if task.to_standard_output else sys.stdout
    try:
        done = future.result()
    except Canceled:  # interrupted, or the file has changed and will be converted again
        return
    except _Exists:
        totals.skipped += 1
        if settings.verbose:
            complain(name, f"skipped: {shown(task.target)} exists")
        return
    except Video2mp3Error as error:
        totals.failed += 1
        complain(name, error.detail)
        if settings.as_json:
            print(
                json.dumps({**facts, "error": {"code": error.code, "detail": error.detail}}), file=results, flush=True
            )
        return
    totals.converted += 1
    totals.audio_s += done.report.duration_s
    if not settings.quiet:
        for warning in done.report.warnings:
            complain(name, f"warning: {warning}")
        if done.left:
            complain(name, f"warning: Of an earlier conversion there are still {_some(done.left)}.")
    if settings.as_json:
        outputs = {"outputs": [str(output) for output in done.outputs]} if in_segments else {}
        print(json.dumps({**facts, **outputs, "report": done.report.as_dict()}), file=results, flush=True)
    elif not settings.quiet:
        print(f"{name} -> {_summary(done, settings.options)}", file=results, flush=True)
        if settings.verbose:
            print(f"  {_details(done)}", file=results, flush=True)


def _some(files: Sequence[Path]) -> str:
    """Returns the names of the files, as far as a line has room for them."""
    more = len(files) - _NAMED_FILES
    return ", ".join(map(shown, files[:_NAMED_FILES])) + (f" and {more} more" if more > 0 else "")


def _summary(done: Converted, options: ResolvedOptions) -> str:
    """Returns the names and facts of the outputs as text."""
    number = len(done.outputs)
    names = " … ".join(shown(output) for output in (done.outputs[0], done.outputs[-1])[:number])
    kind = "track" if options.split is None else "segment"
    count = f"{number} {kind}{'s' if number > 1 else ''}, " if options.makes_segments else ""
    return f"{names} ({count}{clock(done.report.duration_s)}, {size(done.report.size_bytes)})"


def _details(done: Converted) -> str:
    """Returns what was converted, and how fast, as text."""
    report = done.report
    track = report.tracks[report.track - 1] if 0 < report.track <= len(report.tracks) else None
    source = f"{container_name(report.container)}, track {report.track}" + (f" ({track.codec})" if track else "")
    return f"{source}; {_length(report.duration_s)} in {done.took_s:.1f} s, {report.duration_s / done.took_s:.0f}×"


def _length(seconds: float) -> str:
    """Returns 41 s, 3:07 min or 2:13 h."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d} h" if minutes >= 60 else f"{clock(seconds)} min"


def _write(
    task: Task, settings: ConvertSettings, on_progress: OnProgress | None, should_stop: Callable[[], bool]
) -> Converted:
    """Converts into a temporary file beside the target and renames it, so that no output is incomplete.

    Raises:
        _Exists: there is an MP3, and the task keeps it.
    """
    started_s = time.monotonic()
    if task.skip_existing and not settings.force and existing_output(task.target, settings.options) is not None:
        raise _Exists

    def write(sink: BinaryIO) -> Report:
        return convert(
            source, sink, settings.options, on_progress=on_progress, should_stop=should_stop, limits=settings.limits
        )

    with opened(task.given, should_stop) as source:
        if task.to_standard_output:
            with tempfile.TemporaryFile() as sink:
                report = write(sink)
                _to_standard_output(sink, should_stop)
            return Converted(report, [task.target], time.monotonic() - started_s)
        check_before(task.target, task.given.file, settings.options, settings.force)
        with made_folder(task.target.parent), temporary_file(task.target) as written:
            try:
                with written.open("w+b") as sink:
                    report = write(sink)
            except StorageFull:
                raise no_room(task.target.parent) from None
            if task.is_stale():
                raise Canceled
            outputs = outputs_of(task.target, report, settings.options)
            place(written, report.segments, outputs, task.given.file, settings.force)
    if settings.keep_times and task.given.origin is None:
        _keep_times(task.given.file, outputs)
    left = other_segments(task.target, outputs, settings.options)
    return Converted(report, outputs, time.monotonic() - started_s, left)


def _to_standard_output(mp3: BinaryIO, should_stop: Callable[[], bool]) -> None:
    mp3.seek(0)
    output = sys.stdout.fileno()
    try:
        # A pipe that is ready takes so many bytes at once. With more, a reader that takes none holds up an interrupt.
        while piece := mp3.read(select.PIPE_BUF):
            while piece:
                if should_stop():
                    raise Canceled
                if select.select([], [output], [], _TICK_S)[1]:
                    piece = piece[os.write(output, piece) :]
    except OSError as error:
        discard(sys.stdout)
        raise InvalidRequest(f"The MP3 cannot be written to standard output: {reason(error)}.") from None


def _keep_times(file: Path, outputs: Sequence[Path]) -> None:
    modified_ns = file.stat().st_mtime_ns
    for output in outputs:
        os.utime(output, ns=(modified_ns, modified_ns))
