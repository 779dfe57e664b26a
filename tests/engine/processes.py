"""The processes that the engine starts, as the kernel shows them."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.processes import children_of
from video2mp3.engine.parent.zygote_client import ZYGOTE

WAIT_S = 20.0


def children() -> list[int]:
    """The processes of this one that convert, by pid."""
    return [child for _, zygote in ZYGOTE._all() for child in children_of(zygote.pid)]


def peak_rss_bytes(pid: int) -> int:
    """The largest memory that it has had so far; 0 once it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]  # none where it is ending
    return int(lines[0].split()[1]) * 1024 if lines else 0


def wait_until(condition: Callable[[], object], timeout_s: float = WAIT_S) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)
