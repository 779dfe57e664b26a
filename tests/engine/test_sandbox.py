"""The sandbox: what is forbidden is denied from every thread; without the guards the same would work."""

import errno
import mmap
import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from tests.engine.processes import children
from tests.engine.sounds import BytesSource, tone, wav_with
from tests.engine.tracing import needs_strace, trace
from video2mp3.engine import FileSource, Progress, SelfTest, convert, self_test
from video2mp3.engine.parent.self_test import ThreadTest
from video2mp3.engine.sandbox import seccomp
from video2mp3.engine.sandbox.system_calls import _MACHINES, Machine, this_machine

MINUTE = wav_with(tone(48_000 * 2) * 30, rate_hz=48_000)
MUST_BE_DENIED = {
    "openat", "openat2", "stat", "socket", "unix socket", "connect", "fork", "clone", "clone3", "execve", "execveat",
    "ptrace", "new thread", "kill", "process_vm_readv", "executable memory", "memfd_create", "prctl",
}  # fmt: skip

linux_only = pytest.mark.skipif(this_machine() is None, reason="There is no seccomp here.")


@linux_only
def test_every_thread_is_denied_everything() -> None:
    result = self_test(3)
    assert result.passed, result.sentence
    assert len(result.threads) == 4
    assert len({test.thread for test in result.threads}) == 4
    for test in result.threads:
        assert set(test.denied) >= MUST_BE_DENIED
    assert "denied in each of 4 threads" in result.sentence


@linux_only
def test_without_the_guards_all_of_it_works() -> None:
    result = self_test(3, guarded=False)
    assert not result.passed
    assert [test.denied for test in result.threads] == [()] * 4
    assert "holes" in result.sentence


def test_what_is_tried_without_the_guards_hangs_nowhere() -> None:
    """It should answer every time, though all threads fork and clone at once."""
    for _ in range(10):
        assert len(self_test(4, guarded=False).threads) == 5


def test_a_hole_in_one_thread_is_a_failure() -> None:
    tight, open_to_one = ThreadTest("MainThread", ("open", "fork"), 2), ThreadTest("encoder-0", ("open",), 2)
    assert SelfTest(True, 0, True, (tight, tight)).passed
    assert "no Landlock" in SelfTest(True, 0, True, (tight, tight)).sentence
    assert not SelfTest(True, 7, True, (tight, open_to_one)).passed
    assert "1 in encoder-0" in SelfTest(True, 7, True, (tight, open_to_one)).sentence
    assert not SelfTest(False, 0, True, (tight, tight)).passed
    assert "without a sandbox" in SelfTest(False, 0, True, (tight, tight)).sentence
    assert not SelfTest(True, 7, True, (ThreadTest("MainThread", (), 0),)).passed


@linux_only
def test_a_converting_process_is_sealed_in_every_thread() -> None:
    seen: list[dict[str, str]] = []

    def look(progress: Progress) -> None:
        if not seen:
            tasks = Path(f"/proc/{children()[0]}/task").iterdir()
            seen.extend(
                dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
                for task in tasks
            )

    with tempfile.TemporaryFile() as sink:
        convert(BytesSource(MINUTE), sink, on_progress=look)
    assert seen
    for status in seen:
        assert status["Seccomp"] == "2"  # a filter
        assert status["NoNewPrivs"] == "1"


class Interpreter:
    """Runs a seccomp filter as the kernel would."""

    def __init__(self, machine: Machine) -> None:
        self._program = seccomp.filter_for(machine)

    def verdict(self, arch: int, number: int, third_argument: int = 0) -> int:
        data = struct.pack("<IIQ6Q", number, arch, 0, 0, 0, third_argument, 0, 0, 0)
        value, at = 0, 0
        while True:
            code, jt, jf, k = (getattr(self._program[at], name) for name in ("code", "jt", "jf", "k"))
            at += 1
            if code == 0x20:
                (value,) = struct.unpack_from("<I", data, k)
            elif code == 0x06:
                return int(k)
            else:
                holds = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[code]
                at += jt if holds else jf


ALLOW, KILL, DENY = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM


@pytest.mark.parametrize("name", _MACHINES)
def test_the_filter_allows_its_list_and_nothing_else(name: str) -> None:
    machine = _MACHINES[name]
    filter_ = Interpreter(machine)
    names = {number: call for call, number in machine.numbers.items()}
    assert len(names) == len(machine.numbers)
    for number in range(600):
        call = names.get(number, "")
        expected = ALLOW if call in seccomp.ALLOWED + seccomp.ALLOWED_UNLESS_EXECUTABLE else DENY
        assert filter_.verdict(machine.audit_arch, number) == expected, (number, call)


@pytest.mark.parametrize("name", _MACHINES)
def test_memory_that_may_be_executed_is_denied(name: str) -> None:
    machine = _MACHINES[name]
    for call in seccomp.ALLOWED_UNLESS_EXECUTABLE:
        number = machine.numbers[call]
        for protection in (mmap.PROT_EXEC, mmap.PROT_EXEC | mmap.PROT_READ, 7):
            assert Interpreter(machine).verdict(machine.audit_arch, number, protection) == DENY
        writable = mmap.PROT_READ | mmap.PROT_WRITE
        assert Interpreter(machine).verdict(machine.audit_arch, number, writable) == ALLOW


@pytest.mark.parametrize("name", _MACHINES)
def test_another_machine_s_numbers_kill(name: str) -> None:
    machine = _MACHINES[name]
    i386, x32_read = 0x40000003, 0x40000000
    assert Interpreter(machine).verdict(i386, machine.numbers["read"]) == KILL
    assert Interpreter(machine).verdict(machine.audit_arch, x32_read) == KILL
    assert Interpreter(machine).verdict(machine.audit_arch, 0xFFFFFFFF) == KILL


def test_none_of_the_dangerous_is_on_the_list() -> None:
    dangerous = {
        "open", "openat", "openat2", "creat", "socket", "connect", "bind", "accept", "sendmsg", "recvmsg", "sendmmsg",
        "execve", "execveat", "fork", "vfork", "clone", "clone3", "kill", "tkill", "tgkill", "ptrace", "prctl", "bpf",
        "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd", "io_uring_setup", "mount", "seccomp",
        "ioctl", "fcntl", "dup", "dup2", "dup3", "pipe", "pipe2", "memfd_create", "userfaultfd", "perf_event_open",
        "newfstatat", "statx", "readlink", "unlink", "rename", "mknod", "chmod", "setuid", "keyctl", "shmat", "unshare",
    }  # fmt: skip
    assert not dangerous & {*seccomp.ALLOWED, *seccomp.ALLOWED_UNLESS_EXECUTABLE}


@linux_only
def test_landlock_alone_already_denies_files() -> None:
    program = """
import os, sys
from video2mp3.engine.sandbox import landlock, system_calls
if not landlock.abi():
    sys.exit(77)
system_calls.make(system_calls.this_machine().numbers["prctl"], 38, 1, 0, 0, 0)
os.close(os.open("/", os.O_RDONLY))
landlock.restrict()
try:
    os.open("/", os.O_RDONLY)
except PermissionError:
    sys.exit(0)
sys.exit(1)
"""
    status = subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode
    if status == 77:
        pytest.skip("The kernel has no Landlock.")
    assert status == 0


CONVERTING = """
import sys, tempfile
from video2mp3.engine import FileSource, convert, probe
for path in sys.argv[1:]:
    with FileSource(path) as source, tempfile.TemporaryFile() as sink:
        probe(source)
        convert(source, sink)
"""


@linux_only
@needs_strace
def test_a_conversion_makes_no_call_that_is_denied_but_for_threads_of_filters(tmp_path: Path) -> None:
    """It should have loaded before it was sealed whatever it needs: a module, a table, the time zone."""
    sound = tmp_path / "talk.wav"
    sound.write_bytes(MINUTE)
    traced = trace(CONVERTING, str(sound), calls="!futex")
    assert traced.sealed == 2
    assert any("pwrite64" in call for call in traced.calls)
    tolerated = ("clone", "/proc/sys/vm/overcommit_memory")  # libavfilter's threads; the allocator's advice
    denied = [call for call in traced.calls if "EPERM" in call]
    assert [call for call in denied if not any(name in call for name in tolerated)] == []


@linux_only
def test_a_source_and_a_sink_are_all_that_it_holds() -> None:
    held: list[str] = []

    def look(progress: Progress) -> None:
        if not held:
            folder = Path(f"/proc/{children()[0]}/fd")
            held.extend(str(fd.readlink()) for fd in folder.iterdir())

    with tempfile.NamedTemporaryFile(suffix=".wav") as file, tempfile.NamedTemporaryFile(suffix=".mp3") as sink:
        file.write(MINUTE)
        file.flush()
        with FileSource(file.name) as source:
            convert(source, cast(BinaryIO, sink), on_progress=look)
        rest = sorted(path for path in held if path != os.devnull)
        assert len(rest) == 3
        assert {file.name, sink.name} < set(rest)
        assert sum(path.startswith("socket:") for path in rest) == 1
