"""Tests the sandbox in a real child process."""

import json
import platform
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.limits import Limits
from video2mp3.engine.parent.fields import Fields
from video2mp3.engine.parent.process import start
from video2mp3.errors import EngineCrashed, EngineError

_TIMEOUT_S = 60.0
_MAX_ANSWER_BYTES = 1024**2


@dataclass(frozen=True)
class ThreadTest:
    """The results of one thread of the child."""

    thread: str
    denied: tuple[str, ...]
    """The system calls that were denied."""
    tried: int
    """The number of system calls tried."""


@dataclass(frozen=True)
class SelfTest:
    """The state of the sandbox on this system."""

    seccomp: bool
    """True if seccomp is available."""
    landlock_abi: int
    """The version of Landlock; 0 if the kernel has none or it is disabled. Then only seccomp protects."""
    limits: bool
    """True if the system limits the memory, time and files of a process."""
    threads: tuple[ThreadTest, ...]

    @property
    def passed(self) -> bool:
        """True if every thread was denied every call, and all limits hold."""
        return self.seccomp and self.limits and all(len(test.denied) == test.tried > 0 for test in self.threads)

    @property
    def sentence(self) -> str:
        """The result as a sentence."""
        if not self.seccomp:
            reason = (
                "The kernel does not let this process use seccomp"
                if sys.platform == "linux"
                else f"{platform.system()} has no seccomp and no Landlock"
            )
            return f"{reason}: media is decoded without a sandbox, so convert only files from people you trust."
        if not self.limits:
            return "The system refuses limits of memory and time: a file can use up all of the machine's memory."
        with_landlock = f" and Landlock (version {self.landlock_abi})" if self.landlock_abi else ", no Landlock"
        tried = min(test.tried for test in self.threads)
        if not self.passed:
            holes = [f"{tried - len(test.denied)} in {test.thread}" for test in self.threads]
            return f"The sandbox has holes: of {tried} forbidden calls worked {', '.join(holes)}."
        return f"seccomp{with_landlock}; {tried} forbidden calls denied in each of {len(self.threads)} threads"


def self_test(threads: int | None = None, *, guarded: bool = True) -> SelfTest:
    """Runs the self-test.

    Args:
        threads: encoder threads; None: as many as in a conversion.
        guarded: False disables the sandbox, to verify that the calls would succeed.

    Raises:
        EngineCrashed: the child did not answer.
        EngineError: the child could not set up the sandbox.
    """
    job = {
        "limits": Limits().as_dict(),
        "threads": available_cpus() if threads is None else threads,
        "guarded": guarded,
    }
    handle = start([], job)
    try:
        answer = _answer_of(handle.job)
    finally:
        handle.kill()
        handle.close()
    if "error" in answer:
        detail = Fields(answer).optional_str_field("detail")
        raise EngineError(f"The process that converts could not be set up ({detail}).")
    return _parsed(answer.get("self_test"))


def _answer_of(connection: socket.socket) -> Mapping[str, Any]:
    connection.settimeout(_TIMEOUT_S)
    data = b""
    try:
        while len(data) < _MAX_ANSWER_BYTES and (received := connection.recv(65536)):
            data += received
        return Fields(json.loads(data)).values
    except (OSError, ValueError):
        raise EngineCrashed("The self-test of the sandbox gave no answer.") from None


def _parsed(answer: object) -> SelfTest:
    fields = Fields(answer)
    return SelfTest(
        seccomp=fields.bool_field("seccomp"),
        landlock_abi=fields.int_field("landlock_abi"),
        limits=fields.bool_field("limits"),
        threads=tuple(
            ThreadTest(test.str_field("thread"), test.str_list_field("denied"), test.int_field("tried"))
            for test in fields.list_field("threads")
        ),
    )
