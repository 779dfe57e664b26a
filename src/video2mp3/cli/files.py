"""Opening inputs and naming outputs: nothing is ever half-written."""

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from video2mp3.cli.terminal import reason, shown
from video2mp3.engine import FileSource, Options
from video2mp3.engine.part_names import first_ending, makes_parts
from video2mp3.errors import FileExists, InvalidRequest, NotFound


def kind_of(path: Path) -> int | None:
    """Returns `stat.S_IFREG`, `stat.S_IFDIR` or another; None where nothing is.

    Raises:
        OSError: that may not be known.
    """
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        return None


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


def earlier_output(target: Path, options: Options) -> Path | None:
    """Returns what an earlier conversion to this target has made: the target, or the first part of it that is found.

    Raises:
        OSError: that may not be known.
    """
    chosen = options.as_dict()
    if not makes_parts(chosen):
        return None if kind_of(target) is None else target
    first = re.compile(re.escape(target.stem) + first_ending(chosen) + re.escape(target.suffix))
    found = [path for path in target.parent.iterdir() if first.fullmatch(path.name)]
    return min(found, default=None)


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
