"""`video2mp3 convert`: files on this machine, with no service at all."""

import contextlib
import json
import os
import signal
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from video2mp3.engine import FileSource, Limits, Options, Report, convert
from video2mp3.engine import Progress as Done
from video2mp3.errors import FileExists, InvalidOption, InvalidRequest, NotFound, StorageFull, Video2mp3Error

A_WEEK_S = 7 * 86_400.0
LIMITS = Limits(max_audio_s=A_WEEK_S, wall_clock_s=A_WEEK_S)

OnProgress = Callable[[Done], None]


def convert_command(
    files: Annotated[
        list[Path],
        # Of one that cannot be read our own sentence tells, and the others go on.
        typer.Argument(metavar="FILE", help="Videos to convert.", show_default=False, readable=False),
    ],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE|DIR", help="Where to write (default: beside each input)."),
    ] = None,
    bitrate: Annotated[
        int | None, typer.Option(metavar="KBPS", help="Constant bitrate in kbit/s (default: 192).")
    ] = None,
    vbr: Annotated[
        int | None, typer.Option(metavar="QUALITY", help="Variable bitrate: 0 (best) to 9 (smallest).")
    ] = None,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Title to write (default: the video's own).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")] = False,
) -> None:
    """Convert videos on this machine to MP3.

    Exit status: 0 all converted, 1 some failed, 2 wrong usage.
    """
    try:
        options = Options(bitrate_kbps=bitrate, vbr_quality=vbr, title=title)
    except InvalidOption as error:
        _stop(error.detail.replace("bitrate_kbps", "--bitrate").replace("vbr_quality", "--vbr"))
    targets = _targets(files, output)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the part file goes then too
    try:
        succeeded = [_convert_one(file, target, options, force, as_json) for file, target in targets]
    except KeyboardInterrupt:
        _complain("", "interrupted")
        raise typer.Exit(130) from None
    if not all(succeeded):
        raise typer.Exit(1)


def _targets(files: Sequence[Path], wanted: str | None) -> list[tuple[Path, Path]]:
    """Pairs each input with its output; no two are the same."""
    if wanted == "-":
        _stop("-o -: an MP3 cannot go to standard output; name a file.")
    output = Path(wanted) if wanted else None
    try:
        kind = _kind_of(output) if output else None
    except OSError as error:
        _stop(f"-o {_shown(Path(str(wanted)))}: {_reason(error)}.")
    into_folder = kind == stat.S_IFDIR or str(wanted).endswith(os.sep) or len(files) > 1
    if output is not None and into_folder and kind != stat.S_IFDIR:
        if len(files) > 1 and (kind is not None or output.suffix):
            _stop(f"-o {_shown(output)} is a file, but there are {len(files)} inputs: name a folder.")
        _make_folder(output)
    if output is not None and not into_folder:
        return [(files[0], output)]
    taken: set[Path] = set()
    pairs = []
    for file in files:
        target = _free_name(output if output is not None else file.parent, file, taken)
        taken.add(target)
        pairs.append((file, target))
    return pairs


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _stop(f"-o {_shown(folder)}: {_reason(error)}.")


def _free_name(folder: Path, file: Path, taken: set[Path]) -> Path:
    """Returns a name that none of the other inputs has: talk.mp3, else talk.mov.mp3, else talk (2).mp3."""
    plain = f"{file.stem}.video2mp3.mp3" if file.suffix.lower() == ".mp3" else f"{file.stem}.mp3"
    for name in (plain, f"{file.name}.mp3"):
        if folder / name not in taken:
            return folder / name
    number = 2
    while folder / f"{file.stem} ({number}).mp3" in taken:
        number += 1
    return folder / f"{file.stem} ({number}).mp3"


def _convert_one(file: Path, target: Path, options: Options, force: bool, as_json: bool) -> bool:
    """Converts one file; says so, or why not."""
    shown: dict[str, Any] = {"source": str(file), "output": str(target)}
    try:
        with _progress_of(file) as on_progress:
            report = _write(file, target, options, force, on_progress)
    except Video2mp3Error as error:
        _complain(_shown(file), error.detail)
        if as_json:
            print(json.dumps({**shown, "error": {"code": error.code, "detail": error.detail}}), flush=True)
        return False
    for warning in report.warnings:
        _complain(_shown(file), f"warning: {warning}")
    if as_json:
        print(json.dumps({**shown, "report": report.as_dict()}), flush=True)
    else:
        print(f"{_shown(file)} -> {_shown(target)} ({_facts(report)})", flush=True)
    return True


def _write(file: Path, target: Path, options: Options, force: bool, on_progress: OnProgress) -> Report:
    """Converts into a file beside the target, which then takes its name: none is ever half-written."""
    with _open(file) as source:
        _check_target(target, file, force)
        if target.is_symlink():
            target = target.resolve()  # the link stays; what it points to is written
        with _part_file(target) as part:
            try:
                with part.open("wb") as sink:
                    report = convert(source, sink, options, on_progress=on_progress, limits=LIMITS)
            except StorageFull:
                raise StorageFull(f"There is no room left in {_shown(target.parent)}.") from None
            _rename(part, target, force)
    return report


def _check_target(target: Path, file: Path, force: bool) -> None:
    try:
        kind = _kind_of(target)
        is_input = kind is not None and target.samefile(file)
    except OSError as error:
        raise InvalidRequest(f"{_shown(target)} cannot be written to: {_reason(error)}.") from None
    if is_input:
        raise InvalidRequest("The output would replace the input; choose another name with -o.")
    if kind not in (None, stat.S_IFREG):
        raise InvalidRequest(f"{_shown(target)} is not a regular file, and is never overwritten.")
    if kind is not None and not force:
        raise FileExists(f"{_shown(target)} exists already; use --force to overwrite it.")


def _kind_of(path: Path) -> int | None:
    """Returns `stat.S_IFREG`, `stat.S_IFDIR` or another; None where nothing is."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return None


def _open(file: Path) -> FileSource:
    try:
        kind = _kind_of(file)
        if kind is None and str(file) == "-":
            raise InvalidRequest("Standard input cannot be converted; save it to a file first.")
        if kind == stat.S_IFDIR:
            raise InvalidRequest("This is a folder; name the files in it.")
        if kind not in (None, stat.S_IFREG):
            raise InvalidRequest("This is a pipe or a device; save what comes from it to a file first.")
        return FileSource(file)
    except FileNotFoundError:
        raise NotFound("There is no such file.") from None
    except OSError as error:
        raise InvalidRequest(f"The file cannot be read: {_reason(error)}.") from None


@contextlib.contextmanager
def _part_file(target: Path) -> Iterator[Path]:
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".part")
    except OSError as error:
        raise InvalidRequest(f"{_shown(target.parent)} cannot be written to: {_reason(error)}.") from None
    part = Path(name)
    try:
        os.fchmod(descriptor, 0o666 & ~_umask())
        os.close(descriptor)
        yield part
    finally:
        part.unlink(missing_ok=True)


def _rename(part: Path, target: Path, force: bool) -> None:
    if force:
        try:
            part.replace(target)
        except OSError as error:
            raise InvalidRequest(f"{_shown(target)} cannot be replaced: {_reason(error)}.") from None
        return
    try:
        target.hardlink_to(part)  # unlike a rename, this never overwrites what appeared meanwhile
    except FileExistsError:
        raise FileExists(f"{_shown(target)} exists already; use --force to overwrite it.") from None
    except OSError:  # a file system without hard links
        part.rename(target)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextlib.contextmanager
def _progress_of(file: Path) -> Iterator[OnProgress]:
    """Shows a bar while the with block runs, on a terminal; else nothing."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        bar = bars.add_task(_shown(file), total=100)
        yield lambda done: bars.update(bar, completed=done.percent)


def _facts(report: Report) -> str:
    minutes, seconds = divmod(round(report.duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    duration = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    size = f"{report.size_bytes / 1e6:.1f} MB" if report.size_bytes >= 1e6 else f"{report.size_bytes / 1e3:.0f} kB"
    return f"{duration}, {size}"


def _shown(path: Path) -> str:
    """Returns a path that cannot upset a terminal, whatever its name is."""
    return "".join(c if c.isprintable() else "?" for c in str(path))


def _reason(error: OSError) -> str:
    return (error.strerror or "it failed").lower()


def _complain(name: str, sentence: str) -> None:
    print(": ".join(part for part in ("video2mp3", name, sentence) if part), file=sys.stderr, flush=True)


def _stop(sentence: str) -> NoReturn:
    """Ends with the exit status for wrong usage."""
    _complain("", sentence)
    raise typer.Exit(2)
