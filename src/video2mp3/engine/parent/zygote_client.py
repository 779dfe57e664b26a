"""The parent's side of the zygote: starts it, starts it again where it died, asks it for processes.

All processes of a zygote have the same address layout, which is random only when a program starts. So that what a file
finds out about it is soon worth nothing, a zygote is replaced after `RENEW_AFTER` processes: the next one is started
while the old one serves, takes over once it is ready, and the old one ends with its last process.
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
"""For loading the media libraries on a machine that is very busy."""
RENEW_AFTER = 100
"""Processes of one zygote. A renewal takes about 0.2 s of CPU, so 2 ms a job (docs/robustness.md)."""
_ATTEMPTS = 3
_NOT_STARTED = "The process that converts could not be started."
_EXIT_TIMEOUT_S = 10.0
_MAX_WORDS = 200


@dataclass(frozen=True)
class ChildHandle:
    """A new process; the caller owns it and its descriptors."""

    pid: int
    pidfd: int | None
    """None: this system has no such thing."""
    job: socket.socket
    """To and from the process; its end is the process's end."""

    def kill(self) -> None:
        """Kills it and waits for its end. Needs nothing of the zygote."""
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
    """One zygote for this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._forks = 0
        self._next: _Started | None = None
        """Replaces the present one as soon as it is ready."""
        self._retired: list[_Started] = []

    @property
    def pid(self) -> int | None:
        """The process's id, once it has been started."""
        return self._process.pid if self._process else None

    def fork(self, descriptors: Sequence[int]) -> ChildHandle:
        """Returns a new process that has a job's socket and copies of `descriptors`, and nothing else.

        Raises:
            EngineCrashed: none could be started.
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
        """Starts it, where it does not run yet, and does not wait until it is ready.

        Raises:
            EngineCrashed: it could not be started.
        """
        _, control = self._started()
        control.close()

    def close(self) -> None:
        """Ends it, and with it the processes that it forked."""
        with self._lock:
            for control, process in self._all():
                process.kill()  # it may still be about to load the media libraries
                _end(control, process)
            self._process = self._control = self._next = None
            self._retired = []

    def forget(self) -> None:
        """Lets go of it in a copy of the process that started it."""
        self._lock = threading.Lock()
        for control, process in self._all():
            control.close()
            process.returncode = 0  # another's child; not to be waited for
        self._process = self._control = self._next = None
        self._retired = []

    def _all(self) -> "list[_Started]":
        present = [(self._control, self._process)] if self._control is not None and self._process is not None else []
        return [*present, *([self._next] if self._next else []), *self._retired]

    def _started(self) -> tuple["subprocess.Popen[bytes]", socket.socket]:
        """Returns the process and a copy of its control socket: another thread may close the socket at any time."""
        with self._lock:
            self._renew()
            if self._control is None or self._process is None:
                self._control, self._process = _start()
                self._forks = 0
            self._forks += 1
            return self._process, self._control.dup()

    def _renew(self) -> None:
        """Takes one step of the replacement; never waits."""
        for ended in [one for one in self._retired if one[1].poll() is not None]:
            self._retired.remove(ended)
            _close(*ended)
        if self._next is None and self._forks >= RENEW_AFTER:
            with contextlib.suppress(EngineCrashed):  # the present one continues
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
            words = _end(self._control, process)
            self._process = self._control = None
            return words


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
                [sys.executable, "-I", "-m", "video2mp3.engine.child.zygote", str(theirs.fileno())],
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
    """Waits for the end of a zygote, and returns what it complained of at last: why it could not start."""
    with control, contextlib.suppress(OSError):
        control.shutdown(socket.SHUT_RDWR)  # copies of it may be in use
    try:
        complaints = process.communicate(timeout=_EXIT_TIMEOUT_S)[1]
    except subprocess.TimeoutExpired:
        return ""
    return complaints.decode(errors="replace").strip().rpartition("\n")[2][:_MAX_WORDS]


def _ask(control: socket.socket, descriptors: Sequence[int]) -> ChildHandle:
    """Asks for one process; the request is one byte, so that several threads may ask at once."""
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


ZYGOTE = Zygote()
atexit.register(ZYGOTE.close)
os.register_at_fork(after_in_child=ZYGOTE.forget)
