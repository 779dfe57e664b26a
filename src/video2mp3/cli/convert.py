"""`video2mp3 convert`: converts local files without a service."""

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from video2mp3.cli.flags import OUTPUT, Force, Inputs, Output, takes_options, with_flags
from video2mp3.cli.local.convert_files import ConvertSettings, Task, Totals, convert_files
from video2mp3.cli.local.files import check_before, existing_output, open_source
from video2mp3.cli.local.inputs import STANDARD_INPUT, Input, input_of
from video2mp3.cli.local.output_paths import STANDARD_OUTPUT, folders_to_watch, is_given_folder, pair_outputs
from video2mp3.cli.local.watch import Watch
from video2mp3.cli.options_command import OptionsCommand
from video2mp3.cli.terminal import complain, shown, stop
from video2mp3.engine import Limits, Options, ResolvedOptions
from video2mp3.engine.cpus import available_cpus
from video2mp3.errors import InvalidOption, Video2mp3Error

A_WEEK_S = 7 * 86_400.0
LIMITS = Limits(max_audio_s=A_WEEK_S, wall_clock_s=A_WEEK_S)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        metavar="NUMBER",
        help="Threads per file (default: the cores, shared among the files).",
        rich_help_panel=OUTPUT,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "-j", "--jobs", min=1, max=64, metavar="NUMBER", help="Files at a time (default: as many as use all cores).",
        rich_help_panel=OUTPUT,
    ),
]  # fmt: skip


def _switch(help_text: str, *names: str) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=OUTPUT)


SkipExisting = Annotated[bool, _switch("Skip files that have an MP3, as files of folders are.", "--skip-existing")]
KeepTimes = Annotated[bool, _switch("Give the MP3s the modification times of their files.", "--keep-times")]
DryRun = Annotated[bool, _switch("Print what would be written, and convert nothing.", "--dry-run")]
KeepWatching = Annotated[bool, _switch("Keep watching the folders for new files, until Ctrl-C.", "--watch")]
AsJSON = Annotated[bool, _switch("Print one JSON object per file, with its report.", "--json")]
Quiet = Annotated[bool, _switch("Print errors only.", "-q", "--quiet")]
Verbose = Annotated[bool, _switch("Print also what was found, and how fast it was.", "-v", "--verbose")]


@app.command(cls=OptionsCommand)
@takes_options
def convert_command(  # noqa: PLR0913 each parameter is a flag
    files: Inputs,
    options: dict[str, Any],
    output: Output = None,
    threads: Threads = None,
    jobs: Jobs = None,
    force: Force = False,
    skip_existing: SkipExisting = False,
    keep_times: KeepTimes = False,
    dry_run: DryRun = False,
    watch: KeepWatching = False,
    as_json: AsJSON = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Convert videos to MP3 on this machine.

    TIME is written as 90, 1:30 or 1:02:03.5. Several MP3s of one file are named talk-01.mp3 or talk-track1.mp3. Files
    are converted in parallel, as far as the cores allow. Files of a folder that already have an MP3 are skipped.
    A flag that is not given has the value of its variable, such as VIDEO2MP3_BITRATE, else that in
    ~/.config/video2mp3/config.toml (docs/command-line.md); without any bitrate or quality, the preset is standard.
    Exit status: 0 all converted or skipped, 1 some failed, 2 wrong usage.

    \b
    Examples:
      video2mp3 convert talk.mp4
      video2mp3 convert recordings -o mp3/ --preset podcast
      video2mp3 convert book.m4b --split chapters
      video2mp3 convert *.mkv -o '{folder}/{stem} {bitrate}.mp3' --vbr 2
      video2mp3 convert - <talk.mp4 >talk.mp3
    """
    try:
        chosen = Options.from_dict(options).resolved()
    except InvalidOption as error:
        stop(with_flags(error.detail))
    inputs = [input_of(text) for text in files]
    if output is None and any(one.origin == STANDARD_INPUT for one in inputs):
        output = STANDARD_OUTPUT
    if output == STANDARD_OUTPUT:
        _check_standard_output(inputs, chosen)
    tasks: list[Task] = []
    if output == STANDARD_OUTPUT:
        tasks = [Task(inputs[0], Path(output))]
    elif not watch:
        pairs = pair_outputs(inputs, output, chosen, make_folders=not dry_run, quiet=quiet)
        tasks = [Task(one, target, skip_existing or one.folder is not None) for one, target in pairs]
    if dry_run:
        if not _print_plan(tasks, chosen, force, as_json):
            raise typer.Exit(1)
        return
    cores = available_cpus()
    threads = threads or max(1, cores // (jobs or max(1, len(tasks))))
    settings = ConvertSettings(
        chosen,
        replace(LIMITS, threads=threads),
        jobs or max(1, cores // threads),
        force=force,
        as_json=as_json,
        quiet=quiet,
        verbose=verbose,
        keep_times=keep_times,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exception, so that temporary files are deleted
    totals = Totals()
    closes = (watch or len(tasks) > 1) and not quiet
    try:
        if watch:
            Watch(*folders_to_watch(inputs, output), settings).run(totals)
        convert_files(tasks, settings, totals)
    except KeyboardInterrupt:
        complain("", f"interrupted; {totals}" if closes else "interrupted")
        raise typer.Exit(130) from None
    if closes:
        complain("", str(totals))
    if totals.failed:
        raise typer.Exit(1)


def _check_standard_output(inputs: Sequence[Input], options: ResolvedOptions) -> None:
    if len(inputs) > 1 or options.makes_segments or any(is_given_folder(one) for one in inputs):
        stop("-o -: only one MP3 can go to standard output; name a folder.")
    if sys.stdout.isatty():
        stop("-o -: the MP3 would go to the terminal; name a file with -o, or send it on, as in `-o - >talk.mp3`.")


def _print_plan(tasks: Sequence[Task], options: ResolvedOptions, force: bool, as_json: bool) -> bool:
    """Prints what a conversion would write, without looking into the files; returns whether all can begin."""
    all_can = True
    for task in tasks:
        earlier = None if task.to_standard_output else existing_output(task.target, options)
        skips = earlier is not None and task.skip_existing and not force
        facts: dict[str, Any] = {"source": str(task.given), "output": str(task.target)}
        try:
            if not skips:
                _check(task, options, force)
        except Video2mp3Error as error:
            all_can = False
            complain(shown(str(task.given)), error.detail)
            note, facts["error"] = "", {"code": error.code, "detail": error.detail}
        else:
            note = " (exists: skipped)" if skips else " (would be overwritten)" if earlier else ""
            facts |= {"skipped": skips, "overwritten": earlier is not None and not skips}
        if as_json:
            print(json.dumps(facts))
        elif "error" not in facts:
            print(f"{shown(str(task.given))} -> {shown(task.target)}{note}")
    return all_can


def _check(task: Task, options: ResolvedOptions, force: bool) -> None:
    """Raises the error of a file that cannot be opened, or of an MP3 that is there already."""
    if task.given.origin is None:
        with open_source(task.given.file):
            pass
    if not task.to_standard_output:
        check_before(task.target, task.given.file, options, force)
