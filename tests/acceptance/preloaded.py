"""Starts programs with what they import in memory already: reading that takes most of the CPU of a start.

One process has read it, and forks another for each start. A test's program that takes a guard out of video2mp3
(`--without`) replaces it after the import. Tests of the start itself, and one of each kind of service, start
`python -m video2mp3` as its users do.
"""

import atexit
import gc
import io
import multiprocessing.forkserver
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import connection, popen_forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Protocol
from unittest import mock

_PRELOADED = [
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
    "tests.acceptance.preloaded",
    "typer",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
    "video2mp3.cli.admin.db",
    "video2mp3.cli.roles.doctor",
    "video2mp3.cli.roles.health",
    "video2mp3.cli.roles.http_server",
    "video2mp3.cli.roles.server",
    "video2mp3.database.migrate",
    "video2mp3.queue.rabbitmq",
    "video2mp3.storage.objects",
    "tests.acceptance.quick_starts",
]


_SERVER = multiprocessing.forkserver.ForkServer()
_SERVER.set_forkserver_preload(_PRELOADED)
# A process's status comes through a pipe, once, and every start looks for those that have come: of two threads that
# read it at the same time, one finds the pipe at its end, and takes that for the status 255.
_lock = threading.Lock()


class _Forked(ForkServerProcess):
    """A process of that server."""

    @staticmethod
    def _Popen(process_obj: "_Forked") -> popen_forkserver.Popen:  # type: ignore[override] # noqa: N802
        connect = "connect_to_new_process"
        with mock.patch.object(multiprocessing.forkserver, connect, _SERVER.connect_to_new_process):
            return popen_forkserver.Popen(process_obj)


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
    """A `python -m MODULE ARGUMENTS` that begins with what it imports in memory."""

    def __init__(
        self, command: list[str], env: Mapping[str, str], folder: Path, output: Path, log: Path, stdin: bytes = b""
    ) -> None:
        """Starts it; `command` is the module and its arguments, `output` and `log` take stdout and stderr."""
        output.write_bytes(b"")
        log.touch()
        self._process = _Forked(target=_run, args=(command, dict(env), folder, output, log, stdin))
        with _lock:
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        with _lock:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        connection.wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return status

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(
    arguments: Sequence[str], env: Mapping[str, str], folder: Path, stdin: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Runs `video2mp3` in a folder to its end."""
    command = ["video2mp3", *arguments]
    with tempfile.TemporaryDirectory() as place:
        output, log = Path(place) / "stdout", Path(place) / "stderr"
        process = PreloadedProcess(command, env, folder, output, log, stdin)
        try:
            status = process.wait(120)
        finally:
            process.kill()
        return subprocess.CompletedProcess(command, status, output.read_bytes(), log.read_bytes())


def run_text(
    arguments: Sequence[str], env: Mapping[str, str], folder: Path, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    """The same, with texts; each end of a line is a line feed."""
    result = run(arguments, env, folder, stdin.encode())
    stdout, stderr = (io.TextIOWrapper(io.BytesIO(output)).read() for output in (result.stdout, result.stderr))
    return subprocess.CompletedProcess(result.args, result.returncode, stdout, stderr)


def _run(command: list[str], env: dict[str, str], folder: Path, output: Path, log: Path, stdin: bytes) -> None:
    gc.freeze()  # else the first collection copies the memory that it shares with the process that it is forked from
    for path, descriptor in ((output, 1), (log, 2)):
        _become(descriptor, os.open(path, os.O_WRONLY | os.O_APPEND))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    given = os.memfd_create("stdin")
    os.write(given, stdin)
    os.lseek(given, 0, os.SEEK_SET)
    _become(0, given)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = command[:]
    sys.path[0:0] = [str(folder), *env.get("PYTHONPATH", "").split(":")]
    try:
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()


def _become(descriptor: int, opened: int) -> None:
    os.dup2(opened, descriptor)
    os.close(opened)
