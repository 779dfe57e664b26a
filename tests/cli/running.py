"""Runs command lines in the process of the test: a process of its own takes longer to start than most of them run."""

import io
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from video2mp3 import cli


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str
    bytes_written: bytes
    """On standard output."""


def run_line(line: str, folder: Path) -> Ended:
    """Runs a line as a shell would: variables in front, words, and where standard input comes from (<FILE)."""
    words = shlex.split(line)
    variables = {}
    while words and "=" in words[0] and words[0].partition("=")[0].isidentifier():
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    redirected = [word[1:] for word in words if word.startswith("<")]
    stdin = (folder / redirected[0]).read_bytes() if redirected else b""
    return run(folder, *(word for word in words if not word.startswith("<")), stdin=stdin, variables=variables)


def run(folder: Path, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> Ended:
    """Runs a command in a folder. Its configuration is in the folder .config there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIDEO2MP3_")}
    environment |= {"XDG_CONFIG_HOME": str(folder / ".config"), "XDG_STATE_HOME": str(folder / ".state")}
    environment |= variables or {}
    with _streams(stdin) as (out, err), _process(folder, environment, arguments):
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
        written, complaints = _content(out), _content(err)
    return Ended(status, written.decode(errors="replace"), complaints.decode(), written)


@contextmanager
def _streams(stdin: bytes) -> Iterator[tuple[io.BufferedRandom, io.BufferedRandom]]:
    """Replaces the standard streams by files, which have descriptors as those of a process have."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        with (
            patch.object(sys, "stdin", io.TextIOWrapper(given)),
            patch.object(sys, "stdout", io.TextIOWrapper(out, "utf-8", write_through=True)),
            patch.object(sys, "stderr", io.TextIOWrapper(err, "utf-8", write_through=True)),
        ):
            yield out, err


@contextmanager
def _process(folder: Path, environment: Mapping[str, str], arguments: tuple[str, ...]) -> Iterator[None]:
    """Sets what a process has of its own, and puts it back."""
    before, umask, on_end = Path.cwd(), os.umask(0o022), signal.getsignal(signal.SIGTERM)
    os.chdir(folder)
    try:
        with (
            patch.dict(os.environ, environment, clear=True),
            patch.object(sys, "argv", ["video2mp3", *arguments]),
            patch.object(sys, "excepthook", sys.excepthook),
        ):
            yield
    finally:
        os.chdir(before)
        os.umask(umask)
        signal.signal(signal.SIGTERM, on_end)


def _content(file: io.BufferedRandom) -> bytes:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
