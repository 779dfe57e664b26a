"""Prints text on a terminal without control characters."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TextIO

import typer


def shown(text: Path | str) -> str:
    """Returns the text without control characters that a terminal would interpret."""
    return "".join(c if c.isprintable() else "?" for c in str(text))


def complain(name: str, sentence: str) -> None:
    """Prints one line on standard error. If that cannot be written to, the exit status has to do."""
    with suppress(OSError):
        print(": ".join(part for part in ("video2mp3", name, sentence) if part), file=sys.stderr, flush=True)


def discard(stream: TextIO) -> None:
    """Writes what a stream holds to nowhere. Otherwise Python 3.13 and newer complain about it at their end."""
    with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def stop(sentence: str) -> NoReturn:
    """Ends with the exit status for wrong usage."""
    complain("", sentence)
    raise typer.Exit(2)


def read_password(what: str, *, from_stdin: bool) -> str:
    """Asks for a password without showing it, or reads it from standard input. Ends the program if it cannot."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not sys.stdin.isatty():
        stop(f"There is no terminal to ask for the {what}; use --password-stdin.")
    return str(typer.prompt(what[0].upper() + what[1:], hide_input=True, err=True))


def reason(error: OSError) -> str:
    """Returns why the system refused."""
    return (error.strerror or "it failed").lower()


def clock(seconds: float) -> str:
    """Returns 3:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def size(size_bytes: int) -> str:
    """Returns 5.4 MB or 12 kB."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.0f} kB"
