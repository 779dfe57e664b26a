"""`video2mp3 convert`: converts local files without a service."""

import signal
import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from video2mp3.cli.convert_files import ConvertSettings, Task, convert_files
from video2mp3.cli.flags import OUTPUT, FlagsCommand, Force, Inputs, Output, takes_options, with_flags
from video2mp3.cli.output_paths import folders_to_watch, pair_outputs
from video2mp3.cli.terminal import complain, stop
from video2mp3.cli.watch import Watch
from video2mp3.engine import Limits, Options
from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.segment_names import MAX_SUFFIX_BYTES
from video2mp3.errors import InvalidOption

A_WEEK_S = 7 * 86_400.0
LIMITS = Limits(max_audio_s=A_WEEK_S, wall_clock_s=A_WEEK_S)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=FlagsCommand)
@takes_options
def convert_command(
    files: Inputs,
    options: dict[str, Any],
    output: Output = None,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            metavar="NUMBER",
            help="Threads per file (default: the cores, shared among the files).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Force = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Keep watching the folders for new files, until Ctrl-C.", rich_help_panel=OUTPUT),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per file, with its report.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Convert videos on this machine to MP3.

    TIME is written as 90, 1:30 or 1:02:03.5. Several MP3s of one file are named talk-01.mp3 or talk-track1.mp3. Files
    are converted in parallel, as far as the cores allow. With --watch, files that already have an MP3 are skipped.
    Exit status: 0 all converted, 1 some failed, 2 wrong usage.
    """
    try:
        chosen = Options.from_dict(options).resolved()
    except InvalidOption as error:
        stop(with_flags(error.detail))
    reserved_bytes = MAX_SUFFIX_BYTES if chosen.makes_segments else 0
    tasks = [] if watch else [Task(file, target) for file, target in pair_outputs(files, output, reserved_bytes)]
    folders, into = folders_to_watch(files, output) if watch else ([], None)
    cores = available_cpus()
    threads = threads or max(1, cores // max(1, len(tasks)))
    settings = ConvertSettings(chosen, force, as_json, replace(LIMITS, threads=threads), jobs=max(1, cores // threads))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that temporary files are deleted
    try:
        if watch:
            Watch(folders, into, settings).run()
        succeeded = convert_files(tasks, settings)
    except KeyboardInterrupt:
        complain("", "interrupted")
        raise typer.Exit(130) from None
    if not succeeded:
        raise typer.Exit(1)
