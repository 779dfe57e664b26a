"""Whoever looks into uploads starts only where the sandbox holds, or where that is not asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.service import base_env
from video2mp3.engine.sandbox.system_calls import this_machine

pytestmark = pytest.mark.skipif(this_machine() is None, reason="There is no seccomp here.")

WITHOUT_SECCOMP = """
import ctypes, errno, os, sys
from video2mp3.engine.sandbox import seccomp, system_calls
machine = system_calls.this_machine()
number = machine.numbers["seccomp"]
instruction = seccomp._Instruction
filter = [
    instruction(0x20, 0, 0, 0),
    instruction(0x15, 0, 1, number),
    instruction(0x06, 0, 0, 0x00050000 | errno.EPERM),
    instruction(0x06, 0, 0, 0x7FFF0000),
]
program = seccomp._Program(len(filter), (instruction * len(filter))(*filter))
system_calls.make(machine.numbers["prctl"], 38, 1, 0, 0, 0)
system_calls.make(number, 1, 0, ctypes.byref(program))
os.execv(sys.executable, [sys.executable, "-m", "video2mp3", *sys.argv[1:]])
"""
"""Runs the command where seccomp(2) itself is denied, as some containers' profiles do."""


def run(folder: Path, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_SECCOMP, *arguments],
        env=base_env(folder) | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("role", ["serve", "worker", "api"])
def test_a_worker_refuses_to_start_without_its_sandbox(role: str, tmp_path: Path) -> None:
    result = run(tmp_path, role)
    assert result.returncode == 1
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("video2mp3: ")]
    assert "without a sandbox" in sentence
    assert "VIDEO2MP3_ALLOW_UNSANDBOXED" in sentence


def test_it_goes_on_when_that_is_allowed(tmp_path: Path) -> None:
    """It should come as far as a worker does that has a sandbox: to the tables that are missing."""
    result = run(tmp_path, "worker", VIDEO2MP3_ALLOW_UNSANDBOXED="true")
    assert "sandbox_failed" in result.stdout + result.stderr
    assert "video2mp3 migrate" in result.stderr


def test_doctor_tells(tmp_path: Path) -> None:
    result = run(tmp_path, "doctor")
    assert "FAIL  sandbox: " in result.stdout
    assert "ok    engine: " in result.stdout  # one's own files convert without it
    assert "ok    sandbox: " in run(tmp_path, "doctor", VIDEO2MP3_ALLOW_UNSANDBOXED="true").stdout
