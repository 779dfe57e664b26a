"""Runs the program without what Python lacks on Windows: ``python -m tests.client.on_windows push talk.mp4``."""

import importlib
import os
import select
import signal
import socket
import sys

NO_MODULES = ("fcntl", "grp", "pwd", "resource", "termios", "uvloop")
LOADED_BEFORE = (
    "asyncio", "getpass", "httpx", "pathlib", "rich.console", "rich.progress", "ssl", "subprocess", "tempfile",
    "typer.core", "typer.main", "typer.testing", "uuid",
)  # fmt: skip
NO_NAMES = {
    os: ("fchmod", "fork", "geteuid", "getuid", "killpg", "pread", "register_at_fork",
         "sched_getaffinity", "setsid", "sysconf"),
    select: ("poll", "epoll"),
    signal: ("SIGHUP", "SIGKILL", "SIGUSR1"),
    socket: ("AF_UNIX", "recv_fds", "send_fds"),
}  # fmt: skip


def run() -> None:
    # Modules of Python and of packages look at the platform when they are loaded; on Windows they load others.
    for name in LOADED_BEFORE:
        importlib.import_module(name)
    for name in NO_MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    for module, names in NO_NAMES.items():
        for name in names:
            delattr(module, name)
    from video2mp3.__main__ import main

    sys.platform = "win32"
    main()


if __name__ == "__main__":
    run()
