"""Files into MP3s, several at once, and what is told of each; for `convert` with and without `--watch`."""

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from video2mp3.cli.bars import Bars, OnProgress
from video2mp3.cli.files import check_target, open_source, part_file, rename
from video2mp3.cli.terminal import clock, complain, shown, size
from video2mp3.engine import Limits, Options, Report, convert
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


def convert_files(tasks: Sequence[Task], order: Order) -> bool:
    """Converts several at once; says in their order what became of them. Returns whether all succeeded."""
    stopping = threading.Event()
    with Bars(len(tasks)) as bars, ThreadPoolExecutor(order.jobs) as pool:
        try:
            futures = [pool.submit(_convert_one, task, order, bars, stopping) for task in tasks]
            told = [_told(task, future, order.as_json) for task, future in zip(tasks, futures, strict=True)]
            return all(told)
        finally:  # where it was interrupted
            stopping.set()
            pool.shutdown(cancel_futures=True)


def _convert_one(task: Task, order: Order, bars: Bars, stopping: threading.Event) -> Report:
    with bars.bar(task.file) as on_progress:
        return _write(task, order, on_progress, lambda: stopping.is_set() or task.is_stale())


def _told(task: Task, future: "Future[Report]", as_json: bool) -> bool:
    """Waits for a file's end, and says it on standard output, or what went wrong on standard error."""
    facts: dict[str, Any] = {"source": str(task.file), "output": str(task.target)}
    name = shown(task.file)
    try:
        report = future.result()
    except Canceled:
        return False
    except Video2mp3Error as error:
        complain(name, error.detail)
        if as_json:
            print(json.dumps({**facts, "error": {"code": error.code, "detail": error.detail}}), flush=True)
        return False
    for warning in report.warnings:
        complain(name, f"warning: {warning}")
    if as_json:
        print(json.dumps({**facts, "report": report.as_dict()}), flush=True)
    else:
        result = f"{clock(report.duration_s)}, {size(report.size_bytes)}"
        print(f"{name} -> {shown(task.target)} ({result})", flush=True)
    return True


def _write(task: Task, order: Order, on_progress: OnProgress, should_stop: Callable[[], bool]) -> Report:
    """Converts into a file beside the target, which then takes its name: none is ever half-written."""
    target = task.target
    with open_source(task.file) as source:
        check_target(target, task.file, order.force)
        if target.is_symlink():
            target = target.resolve()  # the link stays; what it points to is written
        with part_file(target) as part:
            try:
                with part.open("wb") as sink:
                    report = convert(
                        source,
                        sink,
                        order.options,
                        on_progress=on_progress,
                        should_stop=should_stop,
                        limits=order.limits,
                    )
            except StorageFull:
                raise StorageFull(f"There is no room left in {shown(target.parent)}.") from None
            if task.is_stale():
                raise Canceled
            rename(part, target, order.force)
    return report
