"""The processes that a process has started, as Linux tells."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from tests.servers import wait_until


def children(pid: int) -> list[int]:
    """The living children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            state, parent = _state_and_parent(int(entry.name))
            if parent == pid and state != "Z":
                found.append(int(entry.name))
    return found


def engines(worker_pid: int) -> list[int]:
    """The processes that convert for a worker: children of its zygotes."""
    return [engine for child in children(worker_pid) if _is_zygote(child) for engine in children(child)]


def stop_engines(worker_pid: int, count: int) -> list[int]:
    """Stops (SIGSTOP) each of them, until so many are stopped; returns their process ids.

    They occupy their places without any CPU, and none ends early on a quick machine.
    """

    def stopped() -> list[int]:
        running = engines(worker_pid)
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        found = [pid for pid in running if is_stopped(pid)]
        return found if len(found) == count else []

    return wait_until(stopped, 60, f"{count} engines to be stopped")


def go_on(*pids: int) -> None:
    """Lets stopped processes go on."""
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def descendants(pid: int) -> list[int]:
    """All that it has started, and what these have started."""
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def is_alive(pid: int) -> bool:
    """Tells whether a process is there and not only waits to be reaped."""
    return _state_and_parent(pid)[0] not in ("", "Z")


def is_stopped(pid: int) -> bool:
    """Tells whether a signal has stopped a process (SIGSTOP)."""
    return _state_and_parent(pid)[0] == "T"


def _is_zygote(pid: int) -> bool:
    try:
        return b"zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        # The name, in parentheses, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return fields[0], int(fields[1])
