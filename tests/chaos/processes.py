"""The processes that a process has started, as Linux tells."""

from pathlib import Path


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
    """The processes that convert for a worker: children of its zygote."""
    return [engine for zygote in children(worker_pid) for engine in children(zygote)]


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


def _state_and_parent(pid: int) -> tuple[str, int]:
    try:
        # The name, in parentheses, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return fields[0], int(fields[1])
