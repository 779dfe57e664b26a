"""Confines the child process before it reads the first byte of media."""

import contextlib
import os
import resource
import signal
from collections.abc import Iterable, Mapping
from pathlib import Path

from video2mp3.engine.sandbox import landlock, seccomp, system_calls
from video2mp3.engine.sandbox.system_calls import this_machine

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
MAX_OPEN_FILES = 32
MOST_DESCRIPTORS = 2**20
"""Closing so many one by one, as systems without `close_range` do, takes a fraction of a second."""
OOM_SCORE = 500
"""From -1000 (never killed) to 1000 (killed first)."""
_OOM_SCORE = Path("/proc/self/oom_score_adj")
_STDOUT, _STDERR, _FIRST_DESCRIPTOR = 1, 2, 3
BYTES_PER_SECOND_OF_MP3 = 320_000 // 8
BYTES_PER_THREAD = 16 * 1024**2
"""Address space for an encoder thread: its stack, its chunk of PCM and LAME."""


def separate(parent_pid: int, descriptors: Iterable[int]) -> None:
    """Separates a fork from its parent: it keeps nothing but the memory.

    Args:
        parent_pid: the process that this one was forked from and does not survive.
        descriptors: what it may keep; standard input and output go nowhere.
    """
    _die_with(parent_pid)
    os.setsid()
    _offer_to_the_oom_killer()
    os.dup2(_STDOUT, _STDERR)  # the zygote's stderr is a pipe to the parent
    first = 0
    for keep in sorted({*range(_FIRST_DESCRIPTOR), *descriptors}):
        if first < keep:  # an empty range would close all
            os.closerange(first, keep)
        first = keep + 1
    os.closerange(first, _descriptors_end())


def confine(limits: Mapping[str, float], threads: int, *, guarded: bool = True) -> bool:
    """Drops privileges that the child does not need, while it has one thread. This cannot be undone.

    `limit_memory` follows later: Python would wait forever for a thread that lacks the memory to start.
    Returns False if the system refuses a limit.

    Args:
        limits: `Limits.as_dict()`.
        threads: number of encoder threads that will start.
        guarded: False applies only the limits; for testing the self-test.

    Raises:
        OSError: a protection that the system supports failed.
    """
    limited = _limit_resources(limits, threads)
    if guarded:
        _prctl(PR_SET_NO_NEW_PRIVS, 1)
        landlock.restrict()
    return limited


def limit_memory(limits: Mapping[str, float], threads: int) -> bool:
    """Limits the address space; returns False if the system refuses, as macOS does.

    Call this after the threads have started, because each needs a share.
    """
    return _limit(resource.RLIMIT_AS, int(limits["memory_bytes"]) + threads * BYTES_PER_THREAD)


def guards() -> dict[str, int | bool]:
    """Returns the protections that this system has. Call this before `seal`."""
    return {"seccomp": seccomp.available(), "landlock_abi": landlock.abi()}


def seal() -> None:
    """Filters the system calls of all threads: they can open no file, socket, process or thread from now on.

    Does nothing if the system has no seccomp; the self-test has reported that before.

    Raises:
        OSError: seccomp is available but failed.
    """
    if seccomp.available():
        seccomp.restrict()


def _die_with(parent_pid: int) -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # the parent ended before the signal was requested
        os._exit(1)


def _offer_to_the_oom_killer() -> None:
    """Makes the kernel kill this process rather than the worker if memory runs out."""
    with contextlib.suppress(OSError):
        _OOM_SCORE.write_text(str(OOM_SCORE))


def _descriptors_end() -> int:
    """Returns a number above every open descriptor. SC_OPEN_MAX is one, but 2**63 - 1 on macOS."""
    end = os.sysconf("SC_OPEN_MAX")
    if 0 < end <= MOST_DESCRIPTORS:
        return end
    try:
        return max(int(descriptor.name) for descriptor in Path("/dev/fd").iterdir()) + 1
    except OSError:
        return MOST_DESCRIPTORS


def _limit_resources(limits: Mapping[str, float], threads: int) -> bool:
    cpu_s = int(limits["wall_clock_s"]) * (threads + 1) + 10
    mp3_bytes = int(limits["max_audio_s"] + 60) * BYTES_PER_SECOND_OF_MP3 + 1024**2
    amounts = (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, mp3_bytes),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    )
    accepted = [_limit(kind, amount) for kind, amount in amounts]  # also those after one that is refused
    return all(accepted)


def _limit(kind: int, amount: int) -> bool:
    hard = resource.getrlimit(kind)[1]
    amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    try:
        resource.setrlimit(kind, (amount, amount))
    except (OSError, ValueError):  # ValueError is Python's name for EINVAL here
        return False
    return True


def _prctl(option: int, value: int) -> None:
    machine = this_machine()
    if machine is not None:
        system_calls.make(machine.numbers["prctl"], option, value, 0, 0, 0)
