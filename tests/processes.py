"""The processes that a process has started, as the kernel shows them, and signals to them."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.servers import wait_until


def children_of(pid: int) -> list[int]:
    """The processes that this one started and that have not ended."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:  # the thread has ended
            continue
    return [child for child in found if is_running(child)]


def descendants_of(pid: int) -> list[int]:
    """The processes that this one started, and those that they did."""
    return [pid for child in children_of(pid) for pid in (child, *descendants_of(child))]


def engines_of(worker_pid: int) -> list[int]:
    """The processes that convert for a worker: children of its zygotes."""
    return [engine for child in children_of(worker_pid) if _is_zygote(child) for engine in children_of(child)]


def stop_engines(worker_pid: int, count: int) -> list[int]:
    """Stops (SIGSTOP) each of them, until so many are stopped; returns their process ids.

    They occupy their places without any CPU, and none ends early on a quick machine.
    """

    def stopped() -> list[int]:
        running = engines_of(worker_pid)
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                while os.getsid(pid) != pid:  # so far it would not end with its zygote
                    go_on(pid)
                    time.sleep(0.001)
                    os.kill(pid, signal.SIGSTOP)
        found = [pid for pid in running if is_stopped(pid)]
        return found if len(found) == count else []

    return wait_until(stopped, 60, f"{count} engines to be stopped")


def go_on(*pids: int) -> None:
    """Lets stopped processes go on."""
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def is_running(pid: int) -> bool:
    """False once it has ended, even where nobody has looked at how it did."""
    return _state(pid) not in ("", "Z", "X")


def is_stopped(pid: int) -> bool:
    """Whether a signal has stopped it (SIGSTOP)."""
    return _state(pid) == "T"


def _state(pid: int) -> str:
    try:
        # The name, in parentheses, may hold anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _is_zygote(pid: int) -> bool:
    try:
        return b"zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
