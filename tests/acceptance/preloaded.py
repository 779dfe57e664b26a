"""Starts the tests' own programs with the libraries in memory: reading them takes half the CPU of a start.

A process that has read the libraries, and nothing of video2mp3, forks one process for each start. So a program changes
what it likes before it imports it. The acceptance tests start `video2mp3` as its users do, without this.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

_LIBRARIES = [
    "aio_pika",
    "argon2",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "fastapi",
    "jwt",
    "prometheus_client",
    "pydantic_settings",
    "pymysql",
    "rich.progress",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.orm",
    "structlog",
    "typer",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
]
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(_LIBRARIES)


class Process(Protocol):
    """What the tests use of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class PreloadedProcess:
    """A `python -m MODULE ARGUMENTS` that begins with the libraries in memory."""

    def __init__(self, command: list[str], env: Mapping[str, str], folder: Path, output: Path, log: Path) -> None:
        """Starts it; `command` is the module and its arguments, `output` and `log` take stdout and stderr."""
        output.write_bytes(b"")
        log.touch()
        self._process = _context.Process(target=_run, args=(command, dict(env), folder, output, log))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(command: list[str], env: dict[str, str], folder: Path, output: Path, log: Path) -> None:
    for path, descriptor in ((output, 1), (log, 2)):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = command[:]
    sys.path[0:0] = [str(folder), *env.get("PYTHONPATH", "").split(":")]
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
