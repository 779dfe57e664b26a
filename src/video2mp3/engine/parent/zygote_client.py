"""The parent's side of the zygote: starts and restarts it, and requests forked processes.

All processes of a zygote share one address space layout, which is randomized only when a program starts. A zygote is
replaced after `RENEW_AFTER` processes, so that a layout that leaked soon becomes useless. The next zygote starts while
the old one serves, and takes over when it is ready. The old one ends with its last process.
"""

import atexit
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from video2mp3.engine.zygote_protocol import FORK_REPLY, READY, REQUEST, RETIRE
from video2mp3.errors import EngineCrashed

START_TIMEOUT_S = 60.0
"""Time for loading the media libraries on a very busy machine."""
RENEW_AFTER = 100
"""Processes per zygote. A renewal takes about 0.2 s of CPU time, so 2 ms per job (docs/robustness.md)."""
_PROGRAM = "import gc; gc.disable(); from video2mp3.engine.child.zygote import main; main()"
"""To look for garbage among what the imports make, which all stays, would take a tenth of the start's CPU time."""
_ATTEMPTS = 3
_NOT_STARTED = "The process that converts could not be started."
_EXIT_TIMEOUT_S = 10.0
_MAX_STDERR_TAIL = 200


@dataclass(frozen=True)
class ChildHandle:
    """A new process; the caller owns it and its descriptors."""

    pid: int
    pidfd: int | None
    """None if the system has no pidfds."""
    job: socket.socket
    """Socket to the process; it is closed when the process ends."""

    def kill(self) -> None:
        """Kills the process and waits for its end, without the zygote."""
        if not self._ended(0):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if self.pidfd is not None and sys.platform == "linux":
                    signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
                else:
                    os.killpg(self.pid, signal.SIGKILL)
            self._ended(_EXIT_TIMEOUT_S)

    def close(self) -> None:
        """Closes the descriptors."""
        self.job.close()
        if self.pidfd is not None:
            os.close(self.pidfd)

    def _ended(self, timeout_s: float) -> bool:
        if self.pidfd is not None:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            return bool(poll.poll(timeout_s * 1000))
        self.job.settimeout(timeout_s)
        with contextlib.suppress(OSError):
            while self.job.recv(65536):
                pass
            return True
        return False


_Started = tuple[socket.socket, "subprocess.Popen[bytes]"]


class Zygote:
    """The zygote of this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._forks = 0
        self._next: _Started | None = None
        """The next zygote; it replaces the present one when it is ready."""
        self._retired: list[_Started] = []

    @property
    def pid(self) -> int | None:
        """The process id; None before the start."""
        return self._process.pid if self._process else None

    def fork(self, descriptors: Sequence[int]) -> ChildHandle:
        """Forks a process that has only a job's socket and copies of `descriptors`.

        Raises:
            EngineCrashed: the process could not be started.
        """
        reason = ""
        for _ in range(_ATTEMPTS):
            process, control = self._started()
            try:
                with control:
                    return _ask(control, descriptors)
            except (ConnectionError, TimeoutError):
                reason = self._discard(process) or reason
        raise EngineCrashed(f"{_NOT_STARTED} {reason}".strip())

    def start(self) -> None:
        """Starts the zygote if it does not run yet, without waiting until it is ready.

        Raises:
            EngineCrashed: the zygote could not be started.
        """
        _, control = self._started()
        control.close()

    def close(self) -> None:
        """Ends the zygote and the processes that it forked."""
        with self._lock:
            for control, process in self._all():
                process.kill()  # it may still be about to load the media libraries
                _end(control, process)
            self._process = self._control = self._next = None
            self._retired = []

    def forget(self) -> None:
        """Drops the zygote in a fork of the process that started it."""
        self._lock = threading.Lock()
        for control, process in self._all():
            control.close()
            process.returncode = 0  # the child of another process: do not wait for it
        self._process = self._control = self._next = None
        self._retired = []

    def _all(self) -> "list[_Started]":
        present = [(self._control, self._process)] if self._control is not None and self._process is not None else []
        return [*present, *([self._next] if self._next else []), *self._retired]

    def _started(self) -> tuple["subprocess.Popen[bytes]", socket.socket]:
        """Returns the process and a copy of its control socket, which another thread may close at any time."""
        with self._lock:
            self._renew()
            if self._control is None or self._process is None:
                self._control, self._process = _start()
                self._forks = 0
            self._forks += 1
            return self._process, self._control.dup()

    def _renew(self) -> None:
        """Advances the replacement by one step; never waits."""
        for ended in [one for one in self._retired if one[1].poll() is not None]:
            self._retired.remove(ended)
            _close(*ended)
        if self._next is None and self._forks >= RENEW_AFTER:
            with contextlib.suppress(EngineCrashed):  # the present zygote continues
                self._next = _start()
            self._forks = 0
        elif self._next is not None and self._next[1].poll() is not None:  # it could not start
            _close(*self._next)
            self._next = None
        elif self._next is not None and _is_ready(self._next[0]):
            if self._control is not None and self._process is not None:
                with contextlib.suppress(OSError):  # it is dead
                    self._control.sendall(RETIRE)
                self._retired.append((self._control, self._process))
            (self._control, self._process), self._next = self._next, None
            self._forks = 0

    def _discard(self, process: "subprocess.Popen[bytes]") -> str:
        """Ends the one that failed, and returns its stderr tail; another thread may have done so already."""
        with self._lock:
            if self._control is None or self._process is not process:
                return ""
            process.kill()
            stderr_tail = _end(self._control, process)
            self._process = self._control = None
            return stderr_tail


def _is_ready(control: socket.socket) -> bool:
    try:
        return control.recv(len(READY), socket.MSG_DONTWAIT) == READY
    except OSError:  # not yet
        return False


def _close(control: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    control.close()
    if process.stderr is not None:
        process.stderr.close()


def _start() -> "_Started":
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _PROGRAM, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={},
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in a terminal is for the parent alone
            )
        except OSError as error:
            ours.close()
            raise EngineCrashed(_NOT_STARTED) from error
    return ours, process


def _end(control: socket.socket, process: "subprocess.Popen[bytes]") -> str:
    """Waits for the end of a zygote and returns the last line of its stderr."""
    with control, contextlib.suppress(OSError):
        control.shutdown(socket.SHUT_RDWR)  # other threads may hold copies
    try:
        stderr = process.communicate(timeout=_EXIT_TIMEOUT_S)[1]
    except subprocess.TimeoutExpired:
        return ""
    return stderr.decode(errors="replace").strip().rpartition("\n")[2][:_MAX_STDERR_TAIL]


def _ask(control: socket.socket, descriptors: Sequence[int]) -> ChildHandle:
    """Requests one process. The request is one byte, so that several threads can send at the same time."""
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            socket.send_fds(control, [REQUEST], [theirs.fileno(), *descriptors])
        ours.settimeout(START_TIMEOUT_S)
        answer, pidfds, _, _ = socket.recv_fds(ours, FORK_REPLY.size, 1)
        if len(answer) < FORK_REPLY.size:
            raise ConnectionError("the zygote ended")
        ours.settimeout(None)
    except BaseException:
        ours.close()
        raise
    return ChildHandle(FORK_REPLY.unpack(answer)[0], pidfds[0] if pidfds else None, ours)


def prepare() -> None:
    """Starts the zygote in the background, so that the first conversion does not wait for it."""
    with contextlib.suppress(EngineCrashed):  # the first conversion reports the error
        ZYGOTE.start()


ZYGOTE = Zygote()
atexit.register(ZYGOTE.close)
os.register_at_fork(after_in_child=ZYGOTE.forget)
