"""The forbidden calls that the self-test tries in each thread of the child. All are harmless if they succeed."""

import errno
import mmap
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from video2mp3.engine.child.audio.parallel import EncoderPool
from video2mp3.engine.sandbox import system_calls
from video2mp3.engine.sandbox.system_calls import this_machine

_NO_SUCH_PROGRAM = b"/no/such/program"
_AT_FDCWD = -100
_PTRACE_ATTACH = 16
_CLONE_THREAD = 0x10000
"""Invalid alone, so the call creates no process: one created without Python's knowledge could deadlock."""
_MEET_TIMEOUT_S = 10.0


def try_all(pool: EncoderPool, victim_pid: int) -> list[dict[str, Any]]:
    """Tries all calls in the main thread and in all threads of the pool, and returns the denied ones.

    Args:
        pool: the encoder threads.
        victim_pid: a process of the same user, as the target of calls.
    """
    calls = _calls(victim_pid)
    meeting = threading.Barrier(max(1, pool.threads))

    def try_when_all_are_there() -> dict[str, Any]:
        meeting.wait(_MEET_TIMEOUT_S)  # otherwise one thread could run it twice and another one never
        return _try(calls)

    others = [pool.submit(try_when_all_are_there) for _ in range(pool.threads)]
    return [_try(calls), *(other.result() for other in others)]


def _try(calls: dict[str, Callable[[], object]]) -> dict[str, Any]:
    return {
        "thread": threading.current_thread().name,
        "denied": [name for name, call in calls.items() if _is_denied(call)],
        "tried": len(calls),
    }


def _is_denied(call: Callable[[], object]) -> bool:
    """True if the call was denied; any other error means that the kernel executed the call."""
    try:
        call()
    except OSError as error:
        return error.errno in (errno.EPERM, errno.EACCES)
    except RuntimeError:  # can't start new thread
        return True
    return False


def _calls(victim_pid: int) -> dict[str, Callable[[], object]]:
    by_hand = {
        "open": (b"/", os.O_RDONLY),
        "openat2": (_AT_FDCWD, b"/", bytes(24), 24),
        "connect": (-1, None, 0),
        "clone": (_CLONE_THREAD, 0, 0, 0, 0),
        "clone3": (None, 0),
        "execve": (_NO_SUCH_PROGRAM, None, None),
        "execveat": (_AT_FDCWD, _NO_SUCH_PROGRAM, None, None, 0),
        "ptrace": (_PTRACE_ATTACH, 0, None, None),
        "process_vm_readv": (victim_pid, None, 0, None, 0, 0),
        "memfd_create": (b"", 0),
        "prctl": (1, signal.SIGKILL, 0, 0, 0),
    }
    return {
        "openat": lambda: os.close(os.open("/", os.O_RDONLY)),
        "stat": lambda: Path("/etc/passwd").stat(),
        "socket": lambda: socket.socket().close(),
        "unix socket": lambda: socket.socketpair(),
        "fork": lambda: os.fork() or os._exit(0),
        "new thread": lambda: threading.Thread(target=lambda: None).start(),
        "kill": lambda: os.kill(victim_pid, 0),
        "executable memory": lambda: mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close(),
        **{name: _by_hand(name, arguments) for name, arguments in by_hand.items() if _is_known(name)},
    }


def _by_hand(name: str, arguments: tuple[object, ...]) -> Callable[[], object]:
    return lambda: _make(name, *arguments)


def _is_known(name: str) -> bool:
    machine = this_machine()
    return machine is not None and name in machine.numbers


def _make(name: str, *arguments: object) -> int:
    machine = this_machine()
    if machine is None:
        raise OSError(errno.ENOSYS, "not known on this machine")
    return system_calls.make(machine.numbers[name], *arguments)
