"""`video2mp3 convert --watch`: converts the files in folders, then new files as they appear.

It polls once a second: that needs no library, and works on network file systems, which send no change events.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from video2mp3.cli.local.convert_files import ConvertSettings, Task, Totals, convert_files
from video2mp3.cli.local.files import earlier_output
from video2mp3.cli.local.inputs import Input
from video2mp3.cli.local.output_paths import folder_for, is_folder, media_files, names_for, report_skipped
from video2mp3.cli.terminal import complain, reason, shown
from video2mp3.engine.segment_names import MAX_SUFFIX_BYTES

INTERVAL_S = 1.0
SETTLED_S = 2.0
"""A file that has not changed for this long is complete."""

# Names that browsers, yt-dlp, sync programs and editors give to incomplete files or their folders.
_PARTIAL = re.compile(r"~.*|.*~|.*\.(part|partial|crdownload|download|tmp|temp)|.*\.(tmp|temp)\.\w+")

Stamp = tuple[int, int]
"""A file's size in bytes and modification time in nanoseconds."""


class Arrivals:
    """Finds new or changed files that are complete."""

    def __init__(self) -> None:
        self._since: dict[Path, tuple[Stamp, float]] = {}
        self._handled: dict[Path, Stamp] = {}

    def due(self, found: Mapping[Path, Stamp], now_s: float) -> Iterator[tuple[Path, Stamp, bool]]:
        """Yields each complete file once per stamp: the file, its stamp, and whether it was handled before.

        Args:
            found: all files that exist now.
            now_s: seconds of a monotonic clock.
        """
        self._since = {file: self._first_seen(file, stamp, now_s) for file, stamp in found.items()}
        self._handled = {file: stamp for file, stamp in self._handled.items() if file in found}
        for file, (stamp, since_s) in self._since.items():
            before = self._handled.get(file)
            if before != stamp and now_s - since_s >= SETTLED_S:
                self._handled[file] = stamp
                yield file, stamp, before is not None

    def _first_seen(self, file: Path, stamp: Stamp, now_s: float) -> tuple[Stamp, float]:
        known = self._since.get(file)
        return known if known is not None and known[0] == stamp else (stamp, now_s)


class Watch:
    """Watches folders."""

    def __init__(self, folders: Sequence[Path], output: Path | None, settings: ConvertSettings) -> None:
        """The work starts with `run`.

        Args:
            folders: folders whose media files are converted recursively.
            output: the folder for the MP3s; None: beside each file.
            settings: what applies to every file.
        """
        self._arrivals = {folder: Arrivals() for folder in folders}
        self._output = output
        self._settings = settings
        self._targets: dict[Path, Path] = {}
        self._taken: set[Path] = set()
        self._missing: set[Path] = set()
        self._skipped: set[Path] = set()

    def run(self, totals: Totals) -> NoReturn:
        """Watches until KeyboardInterrupt or SystemExit; counts what is converted."""
        complain("", f"watching {', '.join(map(shown, self._arrivals))}; press Ctrl-C to stop")
        while True:
            if tasks := list(self._tasks()):
                convert_files(tasks, self._settings, totals)
            else:
                time.sleep(INTERVAL_S)

    def _tasks(self) -> Iterator[Task]:
        """Yields the files to convert now."""
        if self._output is not None and not self._is_there(self._output):
            return
        for folder, arrivals in self._arrivals.items():
            if self._is_there(folder):
                for file, stamp, changed in arrivals.due(dict(self._stamped(folder)), time.monotonic()):
                    yield from self._task(file, folder, stamp, changed)

    def _task(self, file: Path, folder: Path, stamp: Stamp, changed: bool) -> Iterator[Task]:
        try:
            target = self._target(file, folder_for(file, folder, self._output))
            earlier = earlier_output(target, self._settings.options)
            changed = changed or (earlier is not None and earlier.stat().st_mtime_ns < stamp[1])
        except OSError as error:
            complain(shown(file), f"Its MP3 cannot be written: {reason(error)}.")
            return
        if earlier is None or (changed and self._settings.force):
            yield Task(Input(file), target, is_stale=lambda: _stamp(file) != stamp)
        elif changed:
            complain(shown(file), f"changed since {shown(earlier)} was made; --force converts such files again")

    def _target(self, file: Path, folder: Path) -> Path:
        """Returns the unique path for a file's MP3, new or existing. Creates the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        if file not in self._targets:
            reserved_bytes = MAX_SUFFIX_BYTES if self._settings.options.makes_segments else 0
            free = (name for name in names_for(file, folder, reserved_bytes) if name not in self._taken)
            plain, full = next(free), next(free)
            # If talk.mp4.mp3 exists, another file had the name talk.mp3 when it was written.
            self._targets[file] = full if earlier_output(full, self._settings.options) else plain
            self._taken.add(self._targets[file])
        return self._targets[file]

    def _stamped(self, folder: Path) -> Iterator[tuple[Path, Stamp]]:
        media, others = media_files(folder)
        if skipped := [file for file in others if file not in self._skipped and not _is_partial(file, folder)]:
            report_skipped(folder, skipped)
            self._skipped.update(skipped)
        for file in media:
            stamp = None if _is_partial(file, folder) else _stamp(file)
            if stamp is not None and stamp[0] > 0:  # Firefox reserves the name of a download with an empty file
                yield file, stamp

    def _is_there(self, folder: Path) -> bool:
        """Returns whether a folder exists; reports changes."""
        there = is_folder(folder)
        if there and folder in self._missing:
            self._missing.remove(folder)
            complain(shown(folder), "exists again")
        elif not there and folder not in self._missing:
            self._missing.add(folder)
            complain(shown(folder), "does not exist; waiting for it")
        return there


def _is_partial(file: Path, folder: Path) -> bool:
    return any(_PARTIAL.fullmatch(part) for part in file.relative_to(folder).parts)


def _stamp(file: Path) -> Stamp | None:
    """Returns None if the file no longer exists."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
