"""Opens inputs, names outputs, and writes them completely or not at all."""

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from video2mp3.cli.terminal import complain, reason, shown
from video2mp3.engine import FileSource, Report, ResolvedOptions, Segment
from video2mp3.engine.file_names import MAX_NAME_BYTES, fitted
from video2mp3.engine.segment_names import (
    MAX_SUFFIX_BYTES,
    any_suffix_pattern,
    first_suffix_pattern,
    segment_suffixes,
)
from video2mp3.errors import FileExists, InvalidRequest, NotFound, StorageFull

_PIECE_SIZE_BYTES = 1024**2


def kind_of(path: Path) -> int | None:
    """Returns the file type (`stat.S_IFREG`, `stat.S_IFDIR` …), or None if the path does not exist.

    Raises:
        OSError: the path cannot be examined.
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


def check_before(target: Path, file: Path, options: ResolvedOptions, force: bool) -> None:
    """Checks the output before a conversion, when the number of segments is not known yet.

    Raises:
        FileExists, InvalidRequest: as `check_target`.
    """
    if not options.makes_segments:
        check_target(target, file, force)
    elif not force and target.parent.is_dir() and (earlier := earlier_output(target, options)):
        raise _already_there(earlier)


def outputs_of(target: Path, report: Report, options: ResolvedOptions) -> list[Path]:
    """Returns the name of each MP3 that a conversion made."""
    stem, endings = _stem(target, options), segment_suffixes([segment.track for segment in report.segments], options)
    return [target.with_name(f"{stem}{ending}{target.suffix}") for ending in endings]


def _stem(target: Path, options: ResolvedOptions) -> str:
    """Returns the stem that all MP3s of a conversion share."""
    if not options.makes_segments:
        return target.stem
    return fitted(target.stem, max_bytes=MAX_NAME_BYTES - MAX_SUFFIX_BYTES - len(os.fsencode(target.suffix)))


def check_target(target: Path, file: Path, force: bool) -> None:
    """Checks that a file may be written.

    Raises:
        FileExists: the file exists and must not be overwritten.
        InvalidRequest: the file cannot be written for another reason.
    """
    try:
        kind = kind_of(target)
        is_input = kind is not None and kind_of(file) is not None and target.samefile(file)
    except OSError as error:
        raise InvalidRequest(f"{shown(target)} cannot be written to: {reason(error)}.") from None
    if is_input:
        raise InvalidRequest("The output would replace the input; choose another name with -o.")
    if kind not in (None, stat.S_IFREG):
        raise InvalidRequest(f"{shown(target)} is not a regular file, and is never overwritten.")
    if kind is not None and not force:
        raise _already_there(target)


def existing_output(target: Path, options: ResolvedOptions) -> Path | None:
    """Returns the same as `earlier_output`.

    Raises:
        InvalidRequest: the folder cannot be read.
    """
    try:
        return earlier_output(target, options)
    except OSError as error:
        raise InvalidRequest(f"{shown(target)} cannot be written to: {reason(error)}.") from None


def earlier_output(target: Path, options: ResolvedOptions) -> Path | None:
    """Returns the output of an earlier conversion to this target: the target, or its first segment.

    Raises:
        OSError: the folder cannot be read.
    """
    if not options.makes_segments:
        return None if kind_of(target) is None else target
    return min(_segments(target, options, first_suffix_pattern(options)), default=None)


def other_segments(target: Path, outputs: Collection[Path], options: ResolvedOptions) -> list[Path]:
    """Returns the segments that an earlier conversion to this target left beside the outputs, in order."""
    if not options.makes_segments:
        return []
    with contextlib.suppress(OSError):  # the outputs are complete, and their folder need not be readable
        return sorted(set(_segments(target, options, any_suffix_pattern(options))) - set(outputs))
    return []


def _segments(target: Path, options: ResolvedOptions, suffixes: str) -> list[Path]:
    pattern = re.compile(re.escape(_stem(target, options)) + suffixes + re.escape(target.suffix))
    folder = target.parent
    return [path for path in folder.iterdir() if pattern.fullmatch(path.name)] if kind_of(folder) is not None else []


@contextlib.contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Creates a folder that is missing, and says so after the with block; if that fails, deletes it again.

    Raises:
        InvalidRequest: it cannot be created.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequest(f"The folder {shown(folder)} cannot be created: {reason(error)}.") from None
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # other files are in it meanwhile
            for one in missing:
                one.rmdir()
        raise
    if missing:
        complain(shown(folder), "the folder is new")


@contextlib.contextmanager
def temporary_file(target: Path) -> Iterator[Path]:
    """Creates an empty file beside the target, and deletes it after the with block unless it was renamed."""
    if target.is_symlink():
        target = target.resolve()
    try:
        descriptor, name = tempfile.mkstemp(
            dir=target.parent, prefix=f".{fitted(target.name, max_bytes=100)}.", suffix=".segment"
        )
    except OSError as error:
        raise InvalidRequest(f"{shown(target.parent)} cannot be written to: {reason(error)}.") from None
    temporary = Path(name)
    try:
        os.fchmod(descriptor, 0o666 & ~_UMASK)
        os.close(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def place(written: Path, segments: Sequence[Segment], outputs: Sequence[Path], file: Path, force: bool) -> None:
    """Cuts a finished file into its segments and renames them: all of them, or none if one name is taken.

    Raises:
        FileExists, InvalidRequest: as `check_target`.
        StorageFull: the disk has no room for a second copy of the largest segment.
    """
    for output in outputs:
        check_target(output, file, force)
    with contextlib.ExitStack() as temporary:
        cut = []
        # From the end, so that the first segment remains in the file.
        for segment, output in zip(segments[:0:-1], outputs[:0:-1], strict=True):
            cut.append(temporary.enter_context(temporary_file(output)))
            _cut_off(written, segment.offset_bytes, cut[-1])
        for path, output in zip([written, *reversed(cut)], outputs, strict=True):
            _rename(path, output, force)


def _cut_off(whole: Path, offset_bytes: int, rest: Path) -> None:
    """Moves the bytes after an offset to another file."""
    try:
        with whole.open("r+b") as source, rest.open("wb") as sink:
            source.seek(offset_bytes)
            shutil.copyfileobj(source, sink, _PIECE_SIZE_BYTES)
            source.truncate(offset_bytes)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_room(rest.parent) from None
        raise InvalidRequest(f"{shown(rest.parent)} cannot be written to: {reason(error)}.") from None


def no_room(folder: Path) -> StorageFull:
    """Returns the error for a full disk."""
    return StorageFull(f"There is no room left in {shown(folder)}.")


def _rename(written: Path, target: Path, force: bool) -> None:
    """Renames the finished file to its target.

    Raises:
        FileExists: the target exists and must not be overwritten.
        InvalidRequest: the file cannot be renamed.
    """
    if target.is_symlink():
        target = target.resolve()  # keeps the link and writes its target
    if force:
        try:
            written.replace(target)
        except OSError as error:
            raise InvalidRequest(f"{shown(target)} cannot be replaced: {reason(error)}.") from None
        return
    try:
        target.hardlink_to(written)  # unlike a rename, this never overwrites a file that appeared meanwhile
    except FileExistsError:
        raise _already_there(target) from None
    except OSError:  # a file system without hard links
        written.rename(target)


def _already_there(target: Path) -> FileExists:
    return FileExists(f"{shown(target)} exists already; use --force to overwrite it.")


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


_UMASK = _umask()
"""Read once at import: reading changes the umask for a moment, for all threads."""
