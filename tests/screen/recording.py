"""Runs a program in a pseudo-terminal, and keeps what that shows, again and again."""

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyte

COLUMNS, LINES = 90, 14
INTERVAL_S = 0.4
"""Between two pictures of the screen."""


@dataclass(frozen=True)
class Run:
    """Neighbouring characters that look alike."""

    column: int
    text: str
    colour: str
    """pyte's name of it, or six hexadecimal digits."""
    bold: bool


Row = tuple[Run, ...]


@dataclass(frozen=True)
class Frame:
    """The screen, from a moment on."""

    at_s: float
    rows: tuple[Row, ...]

    @property
    def text(self) -> list[str]:
        """What can be read on it, line by line."""
        lines = []
        for row in self.rows:
            line = ""
            for run in row:
                line = line.ljust(run.column) + run.text
            lines.append(line)
        return lines


def record(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], interval_s: float = INTERVAL_S
) -> list[Frame]:
    """Returns the pictures that differ; the last is the one that stays.

    Raises:
        CalledProcessError: the program failed.
    """
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (LINES, COLUMNS))
    variables = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **environment}
    started_s = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=variables)
    os.close(theirs)
    frames = [Frame(0.0, _rows(screen))]
    try:
        while data := _read(ours, interval_s):
            stream.feed(data)
            at_s = time.monotonic() - started_s
            if at_s - frames[-1].at_s >= interval_s:
                _note(frames, at_s, screen)
    finally:
        os.close(ours)
        code = process.wait()
    if code:
        raise subprocess.CalledProcessError(code, command, "\n".join(Frame(0, _rows(screen)).text))
    _note(frames, time.monotonic() - started_s, screen)
    return frames


def _read(terminal: int, interval_s: float) -> bytes:
    """Returns what was written to the terminal; nothing once nobody writes any more."""
    while not select.select([terminal], [], [], interval_s)[0]:
        pass
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says that nobody has the other end with EIO
        return b""


def _note(frames: list[Frame], at_s: float, screen: pyte.Screen) -> None:
    rows = _rows(screen)
    if rows != frames[-1].rows:
        frames.append(Frame(at_s, rows))


def _rows(screen: pyte.Screen) -> tuple[Row, ...]:
    return tuple(_row([screen.buffer[y][x] for x in range(screen.columns)]) for y in range(screen.lines))


def _row(characters: Sequence[pyte.screens.Char]) -> Row:
    runs, column = [], 0
    for (colour, bold), group in groupby(characters, key=lambda c: (c.fg, c.bold)):
        text = "".join(character.data for character in group)
        if text.strip():
            start = column + len(text) - len(text.lstrip(" "))
            runs.append(Run(start, text.strip(" "), colour, bold))
        column += len(text)
    return tuple(runs)
