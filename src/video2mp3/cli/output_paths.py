"""Maps the inputs of `video2mp3 convert` to outputs."""

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from video2mp3.cli.files import kind_of
from video2mp3.cli.terminal import complain, reason, shown, stop
from video2mp3.engine.file_names import MAX_NAME_BYTES, fitted
from video2mp3.engine.formats import SUFFIXES

MEDIA_SUFFIXES = SUFFIXES - {".mp3"}
"""Files of a folder that are converted. MP3s are skipped: most are outputs."""
_NAMED_FILES = 10


def pair_outputs(inputs: Sequence[Path], wanted: str | None, reserved_bytes: int = 0) -> list[tuple[Path, Path]]:
    """Returns each input with its output; all outputs differ.

    Args:
        inputs: files, and folders whose media files are converted recursively.
        wanted: the value of --output: a file, a folder or None.
        reserved_bytes: by how much segments make names longer.
    """
    found = [item for path in inputs for item in (_inside(path) if is_folder(path) else [(path, None)])]
    output = Path(wanted) if wanted else None
    if output is not None and not _goes_into_folder(output, wanted or "", inputs):
        return [(file, output) for file, _ in found]
    taken: set[Path] = set()
    chosen = []
    for file, folder in found:
        target_folder = folder_for(file, folder, output)
        if output is not None:
            _make_folder(target_folder)
        target = next(name for name in names_for(file, target_folder, reserved_bytes) if name not in taken)
        taken.add(target)
        chosen.append((file, target))
    return chosen


def folders_to_watch(inputs: Sequence[Path], wanted: str | None) -> tuple[Sequence[Path], Path | None]:
    """Checks that the inputs and the output are folders, and creates the output folder. Returns both."""
    for path in inputs:
        if not is_folder(path):
            stop(f"--watch: {shown(path)} is not a folder.")
    output = Path(wanted) if wanted else None
    if output is not None:
        _goes_into_folder(output, wanted or "", inputs)
    return inputs, output


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


def _inside(folder: Path) -> list[tuple[Path, Path | None]]:
    files, skipped = media_files(folder)
    report_skipped(folder, skipped)
    if not files:
        complain(shown(folder), "warning: There are no media files in this folder.")
    return [(path, folder) for path in files]


def _goes_into_folder(output: Path, wanted: str, inputs: Collection[Path]) -> bool:
    """Returns whether the output is a folder; creates it if there can be several outputs."""
    kind = _kind_of_output(output)
    several = len(inputs) > 1 or any(is_folder(path) for path in inputs)
    if kind != stat.S_IFDIR and (several or wanted.endswith(os.sep)):
        if several and (kind is not None or output.suffix):
            stop(f"-o {shown(output)} is a file, but there can be several outputs: name a folder.")
        _make_folder(output)
        return True
    return kind == stat.S_IFDIR


def _kind_of_output(output: Path) -> int | None:
    if str(output) == "-":
        stop("-o -: an MP3 cannot go to standard output; name a file.")
    try:
        return kind_of(output)
    except OSError as error:
        stop(f"-o {shown(output)}: {reason(error)}.")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop(f"-o {shown(folder)}: {reason(error)}.")
