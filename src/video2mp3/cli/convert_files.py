"""Converts several files in parallel and reports each result; for `convert` with and without `--watch`."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from video2mp3.cli.files import check_before, no_room, open_source, outputs_of, place, temporary_file
from video2mp3.cli.progress import Display, OnProgress, display
from video2mp3.cli.terminal import clock, complain, shown, size
from video2mp3.engine import Limits, Report, ResolvedOptions, convert
from video2mp3.errors import Canceled, StorageFull, Video2mp3Error


@dataclass(frozen=True)
class ConvertSettings:
    """Settings that apply to all files."""

    options: ResolvedOptions
    force: bool
    as_json: bool
    limits: Limits
    jobs: int
    """Number of files converted in parallel."""


@dataclass(frozen=True)
class Task:
    """A file to convert."""

    file: Path
    target: Path
    is_stale: Callable[[], bool] = lambda: False
    """Called during the conversion and before the MP3 gets its name; True cancels the conversion silently."""


@dataclass(frozen=True)
class Converted:
    """A converted file."""

    report: Report
    outputs: Sequence[Path]
    """The paths of the MP3s, one for each segment of the report."""


def convert_files(tasks: Sequence[Task], settings: ConvertSettings) -> bool:
    """Converts the files in parallel and reports the results in order. Returns whether all succeeded."""
    stopping = threading.Event()
    with display(len(tasks)) as bars, ThreadPoolExecutor(settings.jobs) as pool:
        try:
            futures = [pool.submit(_convert_one, task, settings, bars, stopping) for task in tasks]
            succeeded = [
                _report_result(task, future, settings.options, settings.as_json)
                for task, future in zip(tasks, futures, strict=True)
            ]
            return all(succeeded)
        finally:  # also when interrupted
            stopping.set()
            pool.shutdown(cancel_futures=True)


def _convert_one(task: Task, settings: ConvertSettings, bars: Display, stopping: threading.Event) -> Converted:
    with bars.bar(task.file) as on_progress:
        return _write(task, settings, on_progress, lambda: stopping.is_set() or task.is_stale())


def _report_result(task: Task, future: "Future[Converted]", options: ResolvedOptions, as_json: bool) -> bool:
    """Waits for a file, and prints its result on standard output, or its error on standard error."""
    name, in_segments = shown(task.file), options.makes_segments
    facts: dict[str, Any] = {"source": str(task.file)} | ({} if in_segments else {"output": str(task.target)})
    try:
        done = future.result()
    except Canceled:
        return False
    except Video2mp3Error as error:
        complain(name, error.detail)
        if as_json:
            print(json.dumps({**facts, "error": {"code": error.code, "detail": error.detail}}), flush=True)
        return False
    for warning in done.report.warnings:
        complain(name, f"warning: {warning}")
    if as_json:
        outputs = {"outputs": [str(output) for output in done.outputs]} if in_segments else {}
        print(json.dumps({**facts, **outputs, "report": done.report.as_dict()}), flush=True)
    else:
        print(f"{name} -> {_summary(done, in_segments)}", flush=True)
    return True


def _summary(done: Converted, in_segments: bool) -> str:
    """Returns the names and facts of the outputs as text."""
    number = len(done.outputs)
    names = " … ".join(shown(output) for output in (done.outputs[0], done.outputs[-1])[:number])
    segments = f"{number} segment{'s' if number > 1 else ''}, " if in_segments else ""
    return f"{names} ({segments}{clock(done.report.duration_s)}, {size(done.report.size_bytes)})"


def _write(
    task: Task, settings: ConvertSettings, on_progress: OnProgress | None, should_stop: Callable[[], bool]
) -> Converted:
    """Converts into a temporary file beside the target and renames it, so that no output is incomplete."""
    with open_source(task.file) as source:
        check_before(task.target, task.file, settings.options, settings.force)
        with temporary_file(task.target) as written:
            try:
                with written.open("w+b") as sink:
                    report = convert(
                        source,
                        sink,
                        settings.options,
                        on_progress=on_progress,
                        should_stop=should_stop,
                        limits=settings.limits,
                    )
            except StorageFull:
                raise no_room(task.target.parent) from None
            if task.is_stale():
                raise Canceled
            outputs = outputs_of(task.target, report, settings.options)
            place(written, report.segments, outputs, task.file, settings.force)
    return Converted(report, outputs)
