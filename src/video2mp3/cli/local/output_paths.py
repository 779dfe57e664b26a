"""Maps the inputs of `video2mp3 convert` to outputs."""

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from video2mp3.cli.local.files import kind_of
from video2mp3.cli.local.inputs import Input
from video2mp3.cli.local.output_names import filled, is_template
from video2mp3.cli.terminal import complain, reason, shown, stop
from video2mp3.engine import ResolvedOptions
from video2mp3.engine.file_names import MAX_NAME_BYTES, fitted
from video2mp3.engine.formats import SUFFIXES
from video2mp3.engine.segment_names import MAX_SUFFIX_BYTES

MEDIA_SUFFIXES = SUFFIXES - {".mp3"}
"""Files of a folder that are converted. MP3s are skipped: most are outputs."""
_NAMED_FILES = 10


STANDARD_OUTPUT = "-"


def pair_outputs(
    inputs: Sequence[Input],
    wanted: str | None,
    options: ResolvedOptions,
    *,
    make_folders: bool = True,
    quiet: bool = False,
) -> list[tuple[Input, Path]]:
    """Returns each input, and each media file of a folder, with its output; all outputs differ.

    Args:
        inputs: files, and folders whose media files are converted recursively.
        wanted: the value of --output: a file, a folder, a name with fields in braces, or None.
        options: what names with fields can tell.
        make_folders: create the folders that are missing, unless one file is named.
        quiet: do not print which files of folders are skipped.
    """
    if wanted == "":
        stop("-o: the name is empty; is the variable set that it comes from?")
    found = [item for one in inputs for item in (_inside(one.file, quiet) if is_given_folder(one) else [one])]
    output = Path(wanted) if wanted else None
    if wanted and is_template(wanted):
        pairs = _unique([(one, (filled(wanted, one.file, options),)) for one in found])
    elif output is not None and not _is_folder_for(output, wanted or "", inputs):
        return [(one, output) for one in found]
    else:
        pairs = _in_folders(found, output, MAX_SUFFIX_BYTES if options.makes_segments else 0)
    if make_folders and output is not None:
        for _, target in pairs:
            _make_folder(target.parent)
    return pairs


def _in_folders(found: Sequence[Input], output: Path | None, reserved_bytes: int) -> list[tuple[Input, Path]]:
    shared = _shared_names(found) if output is not None else {}
    return _unique(
        (one, names_for(one.file, folder_for(one.file, one.folder, output) / shared.get(one, Path()), reserved_bytes))
        for one in found
    )


def _unique(pairs: Iterable[tuple[Input, Iterable[Path]]]) -> list[tuple[Input, Path]]:
    """Returns for each input the first name that no input before it has taken."""
    taken: set[Path] = set()
    chosen = []
    for one, names in pairs:
        target = next((name for name in names if name not in taken), None)
        if target is None:
            stop("-o: two inputs would have the same name; use a field that differs, such as {folder} or {name}.")
        taken.add(target)
        chosen.append((one, target))
    return chosen


def _shared_names(found: Sequence[Input]) -> dict[Input, Path]:
    """Returns the subfolder that keeps an input apart from those of the same name in other folders."""
    by_name: dict[Path, list[Input]] = {}
    for one in found:
        by_name.setdefault(next(names_for(one.file, folder_for(one.file, one.folder, Path()))), []).append(one)
    apart: dict[Input, Path] = {}
    for same in by_name.values():
        parents = [one.file.absolute().parent for one in same]
        if len(set(parents)) > 1:
            common = os.path.commonpath(parents)
            apart |= {one: parent.relative_to(common) for one, parent in zip(same, parents, strict=True)}
    return apart


def folders_to_watch(inputs: Sequence[Input], wanted: str | None) -> tuple[Sequence[Path], Path | None]:
    """Checks that the inputs and the output are folders, and creates the output folder. Returns both."""
    for one in inputs:
        if not is_given_folder(one):
            stop(f"--watch: {shown(str(one))} is not a folder.")
    if wanted and (wanted == STANDARD_OUTPUT or is_template(wanted)):
        stop("--watch: -o must be a folder.")
    output = Path(wanted) if wanted else None
    if output is not None and _is_folder_for(output, wanted or "", inputs):
        _make_folder(output)
    return [one.file for one in inputs], output


def folder_for(file: Path, folder: Path | None, output: Path | None) -> Path:
    """Returns the folder for a file's MP3: the file's folder, or the same relative path in the output folder."""
    if output is None:
        return file.parent
    return output / file.parent.relative_to(folder) if folder else output


def names_for(file: Path, folder: Path, reserved_bytes: int = 0) -> Iterator[Path]:
    """Yields candidate names for the MP3: talk.mp3, then talk.mov.mp3, talk (2).mp3 … if inputs collide."""
    max_bytes = MAX_NAME_BYTES - reserved_bytes
    yield folder / fitted(file.stem, ".video2mp3.mp3" if file.suffix.lower() == ".mp3" else ".mp3", max_bytes)
    yield folder / fitted(file.name, ".mp3", max_bytes)
    yield from (folder / fitted(file.stem, f" ({number}).mp3", max_bytes) for number in count(2))


def is_folder(path: Path) -> bool:
    """Returns whether the path is a folder that can be examined."""
    try:
        return path.is_dir()
    except OSError:  # reported when the file is opened
        return False


def media_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Returns the media files of a folder, and the files that are skipped; recursively, sorted, without hidden ones.

    MP3s that are named like a media file beside them are its outputs, and count as neither.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    media = [path for path in files if path.suffix.lower() in MEDIA_SUFFIXES]
    stems: dict[Path, set[str]] = {}
    for path in media:
        stems.setdefault(path.parent, set()).add(path.stem)
    return media, [path for path in files if not (path.suffix.lower() in MEDIA_SUFFIXES or _is_output(path, stems))]


def report_skipped(folder: Path, skipped: Sequence[Path]) -> None:
    """Prints which files of a folder are not converted."""
    for files, why in (
        ([path for path in skipped if path.suffix.lower() != ".mp3"], "not audio or video by their names"),
        ([path for path in skipped if path.suffix.lower() == ".mp3"], "already MP3; name them to convert them"),
    ):
        if files:
            names = ", ".join(shown(path.relative_to(folder)) for path in files[:_NAMED_FILES])
            more = f" and {len(files) - _NAMED_FILES} more" if len(files) > _NAMED_FILES else ""
            complain(shown(folder), f"skipped, {why}: {names}{more}")


def _is_output(path: Path, stems: Mapping[Path, Collection[str]]) -> bool:
    return path.suffix.lower() == ".mp3" and path.stem.startswith(tuple(stems.get(path.parent, ())))


def is_given_folder(one: Input) -> bool:
    """Returns whether a folder was given, whose files are meant."""
    return one.origin is None and is_folder(one.file)


def _inside(folder: Path, quiet: bool) -> list[Input]:
    files, skipped = media_files(folder)
    if not quiet:
        report_skipped(folder, skipped)
    if not files:
        complain(shown(folder), "warning: There are no media files in this folder.")
    return [Input(path, folder=folder) for path in files]


def _is_folder_for(output: Path, wanted: str, inputs: Collection[Input]) -> bool:
    """Returns whether the output is a folder, which it is if there can be several outputs."""
    kind = _kind_of_output(output)
    several = len(inputs) > 1 or any(is_given_folder(one) for one in inputs)
    if kind != stat.S_IFDIR and (several or wanted.endswith(os.sep)):
        if several and (kind is not None or output.suffix):
            stop(f"-o {shown(output)} is a file, but there can be several outputs: name a folder.")
        return True
    if kind is None and output.suffix.lower() != ".mp3":
        stop(f"-o {shown(output)}: the name of an MP3 ends in .mp3, and that of a new folder in {os.sep}.")
    return kind == stat.S_IFDIR


def _kind_of_output(output: Path) -> int | None:
    try:
        return kind_of(output)
    except OSError as error:
        stop(f"-o {shown(output)}: {reason(error)}.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(f"-o {shown(folder)}: {reason(error)}.")
