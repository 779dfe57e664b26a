"""Runs the program without parts of Linux that macOS and other systems lack; its zygote lacks them, too.

``python -m tests.engine.other_systems proc,pidfd -- convert talk.mp4``
"""

import builtins
import io
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]


def no_proc() -> None:
    """There is no /proc, and nothing that leads there."""

    def without(function: Callable[..., Any]) -> Callable[..., Any]:
        def refusing(path: Any = ".", *rest: Any, **named: Any) -> Any:
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(("/proc", "/dev/fd")):
                raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
            return function(path, *rest, **named)

        return refusing

    for module, name in ((builtins, "open"), (io, "open"), *((os, name) for name in ("open", "listdir", "scandir"))):
        setattr(module, name, without(getattr(module, name)))
    for name in ("stat", "access"):
        setattr(os, name, without(getattr(os, name)))


def no_pidfd() -> None:
    del os.pidfd_open, signal.pidfd_send_signal


def no_memfd() -> None:
    del os.memfd_create


def no_setrlimit() -> None:
    def refuse(kind: int, limits: tuple[int, int]) -> NoReturn:
        raise ValueError("current limit exceeds maximum limit")

    resource.setrlimit = refuse


def no_end_of_descriptors() -> None:
    known = os.sysconf
    os.sysconf = lambda name: 2**63 - 1 if name == "SC_OPEN_MAX" else known(name)


def no_system_calls() -> None:
    """No seccomp, no Landlock and no signal at the parent's end."""
    from video2mp3.engine.sandbox import confine, landlock, seccomp

    for module in (confine, landlock, seccomp):
        module.this_machine = lambda: None  # type: ignore[attr-defined]


def no_linux() -> None:
    sys.platform = "darwin"


PARTS = {
    "proc": no_proc,
    "pidfd": no_pidfd,
    "memfd": no_memfd,
    "setrlimit": no_setrlimit,
    "open-max": no_end_of_descriptors,
    "system-calls": no_system_calls,
    "linux": no_linux,
}


def take_out(parts: str) -> None:
    """Takes out parts, comma-separated, of this process."""
    for part in parts.split(","):
        PARTS[part]()


def zygote(parts: str, descriptor: str) -> None:
    """The zygote's program."""
    from video2mp3.engine.child import zygote

    take_out(parts)
    sys.argv[1] = descriptor
    zygote.main()


class _Popen(subprocess.Popen[bytes]):
    """Starts the zygote by the function above."""

    parts = ""

    def __init__(self, command: Sequence[str], **named: Any) -> None:
        if any("video2mp3.engine.child.zygote" in str(word) for word in command):
            start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.engine import other_systems as other"
            command = [command[0], "-c", f"{start}; other.zygote({self.parts!r}, sys.argv[1])", command[-1]]
        super().__init__(command, **named)


def run() -> None:
    from video2mp3 import cli
    from video2mp3.engine.parent import calls  # noqa: F401  all that the program loads, before parts are taken out

    _Popen.parts, _, *arguments = sys.argv[1:]
    subprocess.Popen = _Popen  # type: ignore[misc, assignment]
    if {"serve", "doctor"} & {*arguments}:
        from video2mp3.cli.roles import doctor, server  # noqa: F401
    take_out(_Popen.parts)
    sys.argv = ["video2mp3", *arguments]
    cli.main()


if __name__ == "__main__":
    run()
