"""What the process that reads hostile media takes from itself before it reads the first byte."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterable, Mapping

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
MAX_OPEN_FILES = 32
_FIRST_DESCRIPTOR = 3
BYTES_PER_SECOND_OF_MP3 = 320_000 // 8


def separate(parent_pid: int, descriptors: Iterable[int]) -> None:
    """Makes a fork a process of its own, with nothing left of what it was forked from but memory.

    Args:
        parent_pid: the process that this one was forked from and does not survive.
        descriptors: what it may keep; standard input and output go nowhere.
    """
    _die_with(parent_pid)
    os.setsid()
    first = 0
    for keep in sorted({*range(_FIRST_DESCRIPTOR), *descriptors}):
        if first < keep:  # an empty range is taken for all
            os.closerange(first, keep)
        first = keep + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def confine(limits: Mapping[str, float], threads: int) -> None:
    """Takes away what the child does not need. Nothing of it can be undone.

    Args:
        limits: `Limits.as_dict()`.
        threads: the encoder threads that will be started.
    """
    _limit_resources(limits, threads)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    # Landlock with no rules and the seccomp allow-list are to come here, in this order: Landlock before any
    # thread exists, seccomp (TSYNC) after the encoder threads have been started.


def _die_with(parent_pid: int) -> None:
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before the signal was asked for
        os._exit(1)


def _limit_resources(limits: Mapping[str, float], threads: int) -> None:
    cpu_s = int(limits["wall_clock_s"]) * (threads + 1) + 10
    mp3_bytes = int(limits["max_audio_s"] + 60) * BYTES_PER_SECOND_OF_MP3 + 1024**2
    for kind, amount in (
        (resource.RLIMIT_AS, int(limits["memory_bytes"])),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, mp3_bytes),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        resource.setrlimit(kind, (amount, amount))


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
