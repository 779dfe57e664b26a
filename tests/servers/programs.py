"""Finding, starting and ending the programs that tests need."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

T = TypeVar("T")

# Servers are in folders that are not on the PATH of an ordinary user.
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"])

# Below those that the kernel gives to outgoing connections: one of them could take the port before a server does.
_FIRST_PORT, _PORTS = 10_000, 20_000

# Most conditions ask a service, which takes it and the test 10 ms of CPU.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.15


def missing(what: str) -> NoReturn:
    """Skips the test with one line; with CI=true, where everything has to be there, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing, and CI=true allows no skip.", pytrace=False)
    pytest.skip(f"{what} is not installed on this machine.")


def starts_server() -> None:
    """Skips the test in a fast run (`make test-fast`), which starts no servers: every server calls this first."""
    if os.environ.get("TESTS_FAST"):
        pytest.skip("It needs a server, and fast runs start none.")


def require_program(name: str, *alternatives: str) -> str:
    """Returns the path of the first of the named programs that is installed; else skips the test (see `missing`)."""
    for candidate in (name, *alternatives):
        if path := shutil.which(candidate, path=_SEARCH_PATH):
            return path
    missing(name)


def free_port() -> int:
    """Returns a TCP port that nobody listens on at this moment."""
    while True:
        port = _FIRST_PORT + secrets.randbelow(_PORTS)  # `random` is seeded alike in processes that test side by side
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def wait_until(condition: Callable[[], T], timeout_s: float, what: str) -> T:
    """Asks `condition` until its answer is true, and returns that.

    Raises:
        AssertionError: when that did not come within `timeout_s` seconds; `what` names the thing waited for.
    """
    deadline = time.monotonic() + timeout_s
    pause_s = _FIRST_PAUSE_S
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s:g} s (last answer: {answer!r})")
        time.sleep(pause_s)
        pause_s = min(1.2 * pause_s, _LONGEST_PAUSE_S)


class ServerProcess:
    """One server in a process group of its own; its output goes to a file.

    It also ends when the thread that started it ends, so that a killed test run leaves nothing behind:
    start it in the main thread.
    """

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        starts_server()
        self.log = log
        die_with_us = [setpriv, "--pdeathsig", "KILL", "--"] if (setpriv := shutil.which("setpriv")) else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*die_with_us, *command],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self, is_ready: Callable[[], bool], timeout_s: float) -> None:
        """Waits until the server answers; raises RuntimeError with the end of its log when it ends before that."""
        wait_until(lambda: is_ready() or not self.is_running(), timeout_s, f"start, see {self.log}")
        if not self.is_running():
            end = self.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{self._process.args!r} ended at its start:\n{end}")

    def stop(self, timeout_s: float = 30) -> None:
        """Asks the server to end (SIGTERM) and waits for that."""
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends all processes of the group at once (SIGKILL)."""
        # The leader is reaped only after this, so the group's number cannot be another's by now.
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def can_connect(port: int) -> bool:
    """Tells whether something listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
