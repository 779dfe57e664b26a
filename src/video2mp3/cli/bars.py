"""Bars on a terminal, one for each file under way and, for several, one for all."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from video2mp3.cli.terminal import shown
from video2mp3.engine import Progress as Done

OnProgress = Callable[[Done], None]


class Bars:
    """The bars; use it in a with block. Without a terminal it shows nothing. Safe to use from several threads."""

    def __init__(self, files: int) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
        self._progress = Progress(
            *columns,
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            redirect_stdout=sys.stdout.isatty(),  # else results would go to standard error
        )
        self._total: TaskID | None = None
        if files > 1:
            self._total = self._progress.add_task(f"{files} files", total=100 * files)

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    @contextlib.contextmanager
    def bar(self, file: Path) -> Iterator[OnProgress]:
        """Shows a file's bar while the with block runs."""
        task = self._progress.add_task(shown(file), total=100)
        counted = 0

        def show(done: Done) -> None:
            nonlocal counted
            self._advance(done.percent - counted)
            counted = done.percent
            self._progress.update(task, completed=done.percent)

        try:
            yield show
        finally:
            self._advance(100 - counted)
            self._progress.remove_task(task)

    def _advance(self, percent: int) -> None:
        if self._total is not None:
            self._progress.advance(self._total, percent)
