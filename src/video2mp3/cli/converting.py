"""Files into MP3s, several at once, and what is told of each; for `convert` with and without `--watch`."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from video2mp3.cli.bars import Bars, OnProgress
from video2mp3.cli.files import check_before, no_room, open_source, outputs_of, place, temporary_file
from video2mp3.cli.terminal import clock, complain, shown, size
from video2mp3.engine import Limits, Options, Report, convert
from video2mp3.engine.segment_names import makes_segments
from video2mp3.errors import Canceled, StorageFull, Video2mp3Error


@dataclass(frozen=True)
class Order:
    """What is asked of every file."""

    options: Options
    force: bool
    as_json: bool
    limits: Limits
    jobs: int
    """Files at once."""


@dataclass(frozen=True)
class Task:
    """A file to convert."""

    file: Path
    target: Path
    is_stale: Callable[[], bool] = lambda: False
    """Asked while it is converted, and before the MP3 gets its name: True gives it up, and nothing is told."""


@dataclass(frozen=True)
class Converted:
    """What came of a file."""

    report: Report
    outputs: Sequence[Path]
    """The MP3s, one for each of the report's segments."""


def convert_files(tasks: Sequence[Task], order: Order) -> bool:
    """Converts several at once; says in their order what became of them. Returns whether all succeeded."""
    stopping = threading.Event()
    with Bars(len(tasks)) as bars, ThreadPoolExecutor(order.jobs) as pool:
        try:
            futures = [pool.submit(_convert_one, task, order, bars, stopping) for task in tasks]
            told = [
                _told(task, future, order.options, order.as_json) for task, future in zip(tasks, futures, strict=True)
            ]
            return all(told)
        finally:  # where it was interrupted
            stopping.set()
            pool.shutdown(cancel_futures=True)


def _convert_one(task: Task, order: Order, bars: Bars, stopping: threading.Event) -> Converted:
    with bars.bar(task.file) as on_progress:
        return _write(task, order, on_progress, lambda: stopping.is_set() or task.is_stale())


def _told(task: Task, future: "Future[Converted]", options: Options, as_json: bool) -> bool:
    """Waits for a file's end, and says it on standard output, or what went wrong on standard error."""
    name, in_segments = shown(task.file), makes_segments(options.as_dict())
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
    """Returns the names and the facts of what was made, for people."""
    number = len(done.outputs)
    names = " … ".join(shown(output) for output in (done.outputs[0], done.outputs[-1])[:number])
    segments = f"{number} segment{'s' if number > 1 else ''}, " if in_segments else ""
    return f"{names} ({segments}{clock(done.report.duration_s)}, {size(done.report.size_bytes)})"


def _write(task: Task, order: Order, on_progress: OnProgress, should_stop: Callable[[], bool]) -> Converted:
    """Converts into a file beside the target, which then takes its name: none is ever half-written."""
    with open_source(task.file) as source:
        check_before(task.target, task.file, order.options, order.force)
        with temporary_file(task.target) as written:
            try:
                with written.open("wb") as sink:
                    report = convert(
                        source,
                        sink,
                        order.options,
                        on_progress=on_progress,
                        should_stop=should_stop,
                        limits=order.limits,
                    )
            except StorageFull:
                raise no_room(task.target.parent) from None
            if task.is_stale():
                raise Canceled
            outputs = outputs_of(task.target, report, order.options)
            place(written, report.segments, outputs, task.file, order.force)
    return Converted(report, outputs)
