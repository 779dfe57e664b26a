"""Progress bars on a terminal: one for each running file, and one for all files."""

import contextlib
import sys
import threading
from collections.abc import Iterable, Iterator
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


class Bars:
    """The progress bars; use it in a with block. Thread-safe."""

    def __init__(self, files: int) -> None:
        console = Console(stderr=True)
        self._progress = _TotalLast(
            TextColumn("{task.description}", markup=False, table_column=_name_column(console.width)),
            BarColumn(bar_width=None, complete_style="cyan", pulse_style="cyan", table_column=Column(ratio=1)),
            TaskProgressColumn("{task.percentage:>3.0f} %"),
            _SpeedColumn(table_column=Column(justify="right", min_width=5)),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # otherwise rich sends results to standard error
        )
        self._lock = threading.Lock()
        self._audio_s = 0.0
        self._total: TaskID | None = None
        if files > 1:
            self._total = self._progress.add_task(f"{files} files", total=files, audio_s=0.0, of_all=True)

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    @contextlib.contextmanager
    def bar(self, file: Path) -> Iterator[OnProgress]:
        """Shows a file's bar while the with block runs."""
        task = self._progress.add_task(shown(file), total=None, audio_s=0.0)
        share = audio_s = 0.0

        def show(done: Done) -> None:
            nonlocal share, audio_s
            self._progress.update(task, total=done.total_s, completed=done.done_s, audio_s=done.done_s)
            self._advance_total(done.percent / 100 - share, done.done_s - audio_s)
            share, audio_s = done.percent / 100, done.done_s

        try:
            yield show
        finally:
            self._advance_total(1 - share, 0)
            self._progress.remove_task(task)

    def _advance_total(self, files: float, audio_s: float) -> None:
        if self._total is not None:
            with self._lock:
                self._audio_s += audio_s
                self._progress.update(self._total, advance=files, audio_s=self._audio_s)


def _name_column(width: int) -> Column:
    """Returns a column as wide as the names, as far as the bars leave room."""
    return Column(no_wrap=True, overflow="ellipsis", max_width=max(8, width // 2 - 4))


class _TotalLast(Progress):
    """Shows the bar of all files below the others."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(sorted(self.tasks, key=lambda task: task.fields.get("of_all", False)))


class _SpeedColumn(ProgressColumn):
    """Shows the seconds of audio converted per second."""

    def render(self, task: Task) -> Text:
        audio_s, elapsed_s = task.fields["audio_s"], task.elapsed
        if not audio_s or not elapsed_s:
            return Text("")
        return Text(f"{audio_s / elapsed_s:.0f}×")
