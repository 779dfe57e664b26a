"""Runs the command line: ``python -m video2mp3``."""

import atexit
import os
import sys
import threading
from io import TextIOWrapper
from typing import NoReturn

_CONVERTING = ("convert", "probe", "serve", "api", "worker")
_HOLD_NOTHING = ("convert", "probe", "push", "serve", "api", "worker", "notifier", "migrate", "health")
"""Commands that leave nothing open that the interpreter would have to close at its end."""
_BY_SIGNAL = 128
"""Exit statuses above this say that a signal interrupted a command, whose threads may still delete their files."""
_WINDOWS = (
    "video2mp3: `{command}` does not run on Windows. Run it in WSL 2 or in Docker (docs/install.md); "
    "`push` and the Python client run here."
)


def main() -> NoReturn:
    """Runs the command line; what conversions are forked from loads at the same time as the flags and the server."""
    _complete_streams()
    command = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if sys.platform == "win32" and command not in ("push", "login", "logout") and not command.startswith("-"):
        sys.exit(_WINDOWS.format(command=command))
    if command in _CONVERTING and not {"-h", "--help"} & set(sys.argv):
        from video2mp3 import engine

        engine.prepare()
    from video2mp3 import cli
    from video2mp3.cli.terminal import discard

    try:
        cli.main()
        sys.exit(0)
    except SystemExit as end:
        try:
            sys.stderr.flush()
        except OSError:  # the exit status has to do
            discard(sys.stderr)
        holds_nothing = command in _HOLD_NOTHING or command.startswith("-")
        if holds_nothing and isinstance(end.code, int) and end.code <= _BY_SIGNAL:
            _exit(end.code)
        raise


def _complete_streams() -> None:
    """Opens standard streams that are closed, and lets them print characters that the locale does not have as `?`.

    Otherwise the next file that is opened would get their descriptor, and errors would be written into it. As in GNU's
    programs, reading closed standard input and writing closed standard output fail.
    """
    streams = (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
    for descriptor, (name, mode, flags) in enumerate(streams):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, flags), descriptor)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        elif name != "stdin" and isinstance(getattr(sys, name), TextIOWrapper):
            getattr(sys, name).reconfigure(errors="replace")


def _exit(status: int) -> None:
    """Ends the process without freeing its memory, which takes as long as a short file.

    Returns if output is lost, or a thread still works.
    """
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        return
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:  # the regular end complains about that
        return
    os._exit(status)


if __name__ == "__main__":
    main()
