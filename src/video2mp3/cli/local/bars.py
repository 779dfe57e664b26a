"""Progress bars on a terminal: one for each running file, and one for all files."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from video2mp3.cli.local.progress import OnProgress
from video2mp3.cli.terminal import shown
from video2mp3.engine import Progress as Done
from video2mp3.errors import Canceled


class Total:
    """How much of several files is done. A file counts by its length, or as the mean while that is not known."""

    def __init__(self, files: int) -> None:
        self._files = files
        self._of_files: dict[int, tuple[float, float]] = {}
        self.done_s = 0.0
        self._length_s = 0.0

    def update(self, file: int, done_s: float, length_s: float | None) -> None:
        """Sets the seconds of audio of a file that are done, and its length as far as it is known."""
        if length_s is None:
            return
        done_before_s, length_before_s = self._of_files.get(file, (0.0, 0.0))
        self._of_files[file] = done_s, length_s
        self.done_s += done_s - done_before_s
        self._length_s += length_s - length_before_s

    def end(self, file: int) -> None:
        """Ends a file: no more of it will be done. One that was skipped or refused says nothing about the others."""
        done_s, _ = self._of_files.get(file, (0.0, 0.0))
        self.update(file, done_s, done_s)
        if not done_s:
            del self._of_files[file]
            self._files -= 1

    @property
    def share(self) -> float:
        """The share of all files that is done, from 0 to 1."""
        known = len(self._of_files)
        if not known or not self._length_s:
            return 0.0 if self._files else 1.0
        return min(1.0, self.done_s / (self._length_s * self._files / known))


class Bars:
    """The progress bars; use it in a with block. Thread-safe."""

    def __init__(self, files: int, now_s: Callable[[], float] = time.monotonic) -> None:
        console = Console(stderr=True)
        self._progress = _TotalLast(
            TextColumn("{task.description}", markup=False, table_column=_name_column(console.width)),
            BarColumn(bar_width=None, complete_style="cyan", pulse_style="cyan", table_column=Column(ratio=1)),
            TaskProgressColumn("{task.percentage:>3.0f} %"),
            _SpeedColumn(table_column=Column(justify="right", min_width=5)),
            _RemainingColumn(lambda: self._progress.tasks),
            console=console,
            get_time=now_s,
            expand=True,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # otherwise rich sends results to standard error
        )
        self._lock = threading.Lock()
        self._total = Total(files)
        self._bar_of_all: TaskID | None = None
        if files > 1:
            self._bar_of_all = self._progress.add_task(f"{files} files", total=1.0, audio_s=0.0, of_all=True)

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    @contextlib.contextmanager
    def bar(self, file: Path) -> Iterator[OnProgress]:
        """Shows a file's bar while the with block runs."""
        task = self._progress.add_task(shown(file), total=None, audio_s=0.0)

        def show(done: Done) -> None:
            self._progress.update(task, total=done.total_s, completed=done.done_s, audio_s=done.done_s)
            with self._changed_total() as total:
                total.update(task, done.done_s, done.total_s)

        is_canceled = False
        try:
            yield show
        except Canceled:
            is_canceled = True  # what is left of it does not count as done
            raise
        finally:
            if not is_canceled:
                with self._changed_total() as total:
                    total.end(task)
            self._progress.remove_task(task)

    @contextlib.contextmanager
    def _changed_total(self) -> Iterator[Total]:
        """Gives what changes in the with block, and shows it afterwards."""
        with self._lock:
            yield self._total
            if self._bar_of_all is not None:
                self._progress.update(self._bar_of_all, completed=self._total.share, audio_s=self._total.done_s)


def _name_column(width: int) -> Column:
    """Returns a column as wide as the names, as far as the bars leave room."""
    return Column(no_wrap=True, overflow="ellipsis", max_width=max(8, width // 2 - 4))


class _TotalLast(Progress):
    """Shows the bar of all files below the others."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(sorted(self.tasks, key=lambda task: task.fields.get("of_all", False)))


class _RemainingColumn(TimeRemainingColumn):
    """Shows the time that remains; for all files at least that of the longest, which ends alone."""

    def __init__(self, tasks: Callable[[], Iterable[Task]]) -> None:
        super().__init__(compact=True)
        self._tasks = tasks

    def render(self, task: Task) -> Text:
        of_all = task.fields.get("of_all", False)
        return super().render(max(self._tasks(), key=lambda one: one.time_remaining or 0) if of_all else task)


class _SpeedColumn(ProgressColumn):
    """Shows the seconds of audio converted per second."""

    def render(self, task: Task) -> Text:
        audio_s, elapsed_s = task.fields["audio_s"], task.elapsed
        if not audio_s or not elapsed_s:
            return Text("")
        return Text(f"{audio_s / elapsed_s:.0f}×")
