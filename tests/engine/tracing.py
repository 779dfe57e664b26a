"""What processes ask of the kernel once they are sealed, as strace sees it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="There is no strace here.")


@dataclass
class Trace:
    """A traced program's processes."""

    output: str
    sealed: int
    """Processes that were sealed."""
    calls: list[str]
    """What they called after that, the numbers of processes left away."""


def trace(program: str, *arguments: str, calls: str) -> Trace:
    """Runs a Python program under strace, which looks at `calls` (seccomp's among them); skips where none may trace."""
    log = Path(arguments[0]).with_name("strace.log")
    strace = ["strace", "-f", "-o", str(log), "-e", f"trace={calls}", sys.executable, "-c", program, *arguments]
    traced = subprocess.run(strace, check=False, capture_output=True, text=True, timeout=120)
    if traced.returncode and "ptrace" in traced.stderr:
        pytest.skip("Nobody may trace here.")
    assert traced.returncode == 0, traced.stderr
    sealed: set[str] = set()
    found = []
    for line in log.read_text().splitlines():
        pid, _, call = line.partition(" ")
        if "SECCOMP_SET_MODE_FILTER" in call:
            sealed.add(pid)
        elif pid in sealed and call.strip()[:3] not in ("+++", "---") and "seccomp resumed" not in call:
            found.append(call.strip())
    return Trace(traced.stdout, len(sealed), found)
