"""`video2mp3 convert`: files on this machine, with no service at all."""

import json
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from video2mp3.cli.bars import Bars, OnProgress
from video2mp3.cli.files import check_target, open_source, pairs, part_file, rename
from video2mp3.cli.flags import takes_options, with_flags
from video2mp3.cli.terminal import clock, complain, shown, size, stop
from video2mp3.engine import Limits, Options, Report, convert
from video2mp3.engine.cpus import available_cpus
from video2mp3.errors import InvalidOption, StorageFull, Video2mp3Error

A_WEEK_S = 7 * 86_400.0
LIMITS = Limits(max_audio_s=A_WEEK_S, wall_clock_s=A_WEEK_S)


@dataclass(frozen=True)
class Order:
    """What is asked of every file."""

    options: Options
    force: bool
    limits: Limits
    stopping: threading.Event


@takes_options
def convert_command(
    files: Annotated[
        list[Path],
        # Of one that cannot be read our own sentence tells, and the others go on.
        typer.Argument(metavar="FILE|FOLDER", help="Videos, or folders of them.", show_default=False, readable=False),
    ],
    options: dict[str, Any],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE|FOLDER", help="Where to write (default: beside each input)."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="NUMBER", help="Threads per file (default: the cores, shared among the files)."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file, with its report.")] = False,
) -> None:
    """Convert videos on this machine to MP3.

    As many files are converted at once as there are cores for their threads. Exit status: 0 all converted, 1 some
    failed, 2 wrong usage.
    """
    try:
        chosen = Options.from_dict(options)
    except InvalidOption as error:
        stop(with_flags(error.detail))
    targets = pairs(files, output)
    cores = available_cpus()
    threads = threads or max(1, cores // max(1, len(targets)))
    order = Order(chosen, force, replace(LIMITS, threads=threads), threading.Event())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the part files go then too
    try:
        succeeded = _convert_all(targets, order, max(1, cores // threads), as_json)
    except KeyboardInterrupt:
        complain("", "interrupted")
        raise typer.Exit(130) from None
    if not succeeded:
        raise typer.Exit(1)


def _convert_all(targets: Sequence[tuple[Path, Path]], order: Order, jobs: int, as_json: bool) -> bool:
    """Converts several at once; says in their order what became of them."""
    with Bars(len(targets)) as bars, ThreadPoolExecutor(jobs) as pool:
        try:
            futures = [pool.submit(_convert_one, file, target, order, bars) for file, target in targets]
            told = [_told(*pair, future, as_json) for pair, future in zip(targets, futures, strict=True)]
            return all(told)
        finally:  # where it was interrupted
            order.stopping.set()
            pool.shutdown(cancel_futures=True)


def _convert_one(file: Path, target: Path, order: Order, bars: Bars) -> Report:
    with bars.bar(file) as on_progress:
        return _write(file, target, order, on_progress)


def _told(file: Path, target: Path, future: "Future[Report]", as_json: bool) -> bool:
    """Waits for a file's end, and says it on standard output, or what went wrong on standard error."""
    facts: dict[str, Any] = {"source": str(file), "output": str(target)}
    try:
        report = future.result()
    except Video2mp3Error as error:
        complain(shown(file), error.detail)
        if as_json:
            print(json.dumps({**facts, "error": {"code": error.code, "detail": error.detail}}), flush=True)
        return False
    for warning in report.warnings:
        complain(shown(file), f"warning: {warning}")
    if as_json:
        print(json.dumps({**facts, "report": report.as_dict()}), flush=True)
    else:
        result = f"{clock(report.duration_s)}, {size(report.size_bytes)}"
        print(f"{shown(file)} -> {shown(target)} ({result})", flush=True)
    return True


def _write(file: Path, target: Path, order: Order, on_progress: OnProgress) -> Report:
    """Converts into a file beside the target, which then takes its name: none is ever half-written."""
    with open_source(file) as source:
        check_target(target, file, order.force)
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
                        should_stop=order.stopping.is_set,
                        limits=order.limits,
                    )
            except StorageFull:
                raise StorageFull(f"There is no room left in {shown(target.parent)}.") from None
            rename(part, target, order.force)
    return report
