"""Inputs and outputs of `video2mp3 convert`: which file becomes which, and nothing half-written."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from video2mp3.cli.terminal import complain, reason, shown, stop
from video2mp3.engine import FileSource
from video2mp3.errors import FileExists, InvalidRequest, NotFound

MEDIA_SUFFIXES = frozenset((
    ".3gp", ".aac", ".ac3", ".aif", ".aiff", ".amr", ".asf", ".avi", ".caf", ".dts", ".eac3", ".flac", ".flv", ".m2ts",
    ".m4a", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".oga", ".ogg", ".ogv", ".opus",
    ".ts", ".vob", ".w64", ".wav", ".webm", ".wma", ".wmv",
))  # fmt: skip
"""Files of a folder that are converted. MP3 is not among them: most are somebody's results."""


def pairs(inputs: Sequence[Path], wanted: str | None) -> list[tuple[Path, Path]]:
    """Pairs each input with its output; no two are the same.

    Args:
        inputs: files, and folders whose media files are meant, also those in folders within.
        wanted: the output as it was given: a file, a folder or nothing.
    """
    found = [item for path in inputs for item in (_inside(path) if _is_folder(path) else [(path, None)])]
    several = len(inputs) > 1 or any(_is_folder(path) for path in inputs)
    output = Path(wanted) if wanted else None
    kind = _kind_of_output(output) if output is not None else None
    into_folder = kind == stat.S_IFDIR or str(wanted).endswith(os.sep) or several
    if output is not None and into_folder and kind != stat.S_IFDIR:
        if several and (kind is not None or output.suffix):
            stop(f"-o {shown(output)} is a file, but there can be several outputs: name a folder.")
        _make_folder(output)
    if output is not None and not into_folder:
        return [(file, output) for file, _ in found]
    taken: set[Path] = set()
    chosen = []
    for file, folder in found:
        target_folder = file.parent
        if output is not None:
            target_folder = output / file.parent.relative_to(folder) if folder else output
            _make_folder(target_folder)
        target = _free_name(target_folder, file, taken)
        taken.add(target)
        chosen.append((file, target))
    return chosen


def _kind_of_output(output: Path) -> int | None:
    if str(output) == "-":
        stop("-o -: an MP3 cannot go to standard output; name a file.")
    try:
        return kind_of(output)
    except OSError as error:
        stop(f"-o {shown(output)}: {reason(error)}.")


def kind_of(path: Path) -> int | None:
    """Returns `stat.S_IFREG`, `stat.S_IFDIR` or another; None where nothing is.

    Raises:
        OSError: that may not be known.
    """
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # said when it is opened
        return False


def _inside(folder: Path) -> list[tuple[Path, Path | None]]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MEDIA_SUFFIXES and path.is_file())
    visible = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    if not visible:
        complain(shown(folder), "warning: There are no media files in this folder.")
    return [(path, folder) for path in visible]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(f"-o {shown(folder)}: {reason(error)}.")


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


def open_source(file: Path) -> FileSource:
    """Opens a file to read.

    Raises:
        NotFound, InvalidRequest: it cannot be opened.
    """
    try:
        kind = kind_of(file)
        if kind is None and str(file) == "-":
            raise InvalidRequest("Standard input cannot be converted; save it to a file first.")
        if kind == stat.S_IFDIR:
            raise InvalidRequest("This is a folder.")
        if kind not in (None, stat.S_IFREG):
            raise InvalidRequest("This is a pipe or a device; save what comes from it to a file first.")
        return FileSource(file)
    except FileNotFoundError:
        raise NotFound("There is no such file.") from None
    except OSError as error:
        raise InvalidRequest(f"The file cannot be read: {reason(error)}.") from None


def check_target(target: Path, file: Path, force: bool) -> None:
    """Checks that a file may be written.

    Raises:
        FileExists: there is a file of that name, and it is not to be overwritten.
        InvalidRequest: it may not for another reason.
    """
    try:
        kind = kind_of(target)
        is_input = kind is not None and target.samefile(file)
    except OSError as error:
        raise InvalidRequest(f"{shown(target)} cannot be written to: {reason(error)}.") from None
    if is_input:
        raise InvalidRequest("The output would replace the input; choose another name with -o.")
    if kind not in (None, stat.S_IFREG):
        raise InvalidRequest(f"{shown(target)} is not a regular file, and is never overwritten.")
    if kind is not None and not force:
        raise _already_there(target)


@contextlib.contextmanager
def part_file(target: Path) -> Iterator[Path]:
    """Gives an empty file beside the target; it is gone after the with block, unless it was renamed."""
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".part")
    except OSError as error:
        raise InvalidRequest(f"{shown(target.parent)} cannot be written to: {reason(error)}.") from None
    part = Path(name)
    try:
        os.fchmod(descriptor, 0o666 & ~_UMASK)
        os.close(descriptor)
        yield part
    finally:
        part.unlink(missing_ok=True)


def rename(part: Path, target: Path, force: bool) -> None:
    """Gives the finished file its name.

    Raises:
        FileExists: there is a file of that name, and it is not to be overwritten.
        InvalidRequest: it cannot be.
    """
    if force:
        try:
            part.replace(target)
        except OSError as error:
            raise InvalidRequest(f"{shown(target)} cannot be replaced: {reason(error)}.") from None
        return
    try:
        target.hardlink_to(part)  # unlike a rename, this never overwrites what appeared meanwhile
    except FileExistsError:
        raise _already_there(target) from None
    except OSError:  # a file system without hard links
        part.rename(target)


def _already_there(target: Path) -> FileExists:
    return FileExists(f"{shown(target)} exists already; use --force to overwrite it.")


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


_UMASK = _umask()
"""Asked for once: asking changes it for a moment, for all threads."""
