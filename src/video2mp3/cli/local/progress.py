"""Chooses how progress is shown: bars on a terminal, nothing elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from video2mp3.engine import Progress

OnProgress = Callable[[Progress], None]


class Display(Protocol):
    """Shows the progress of several files; use it in a with block. Thread-safe."""

    def __enter__(self) -> "Display": ...

    def __exit__(self, *error: object) -> None: ...

    def bar(self, file: Path) -> contextlib.AbstractContextManager[OnProgress | None]:
        """Shows a file's progress while the with block runs."""


class NoBars:
    """Shows nothing."""

    def __enter__(self) -> "NoBars":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    @contextlib.contextmanager
    def bar(self, file: Path) -> Iterator[None]:  # noqa: ARG002
        """Shows nothing."""
        yield


def display(files: int, *, quiet: bool = False) -> Display:
    """Returns how the progress of so many files is shown."""
    if quiet or not sys.stderr.isatty():
        return NoBars()
    from video2mp3.cli.local.bars import Bars  # it takes as long to load as a short file to convert

    return Bars(files)
