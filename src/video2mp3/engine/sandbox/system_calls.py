"""Linux's system call numbers on the supported architectures, and direct system calls.

Source: the kernel's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

import ctypes
import functools
import os
import struct
import sys
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Machine:
    """One architecture."""

    audit_arch: int
    """seccomp's AUDIT_ARCH_… value."""
    numbers: dict[str, int]
    """System call numbers by name; not every architecture has every call."""


_X86_64 = {
    "read": 0, "write": 1, "open": 2, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10,
    "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "pread64": 17,
    "pwrite64": 18, "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "sendto": 44, "recvfrom": 45,
    "socket": 41, "connect": 42, "clone": 56, "fork": 57, "execve": 59, "exit": 60, "kill": 62, "ptrace": 101,
    "gettid": 186, "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219, "fadvise64": 221,
    "clock_gettime": 228,
    "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "openat": 257, "mount": 165, "prctl": 157,
    "process_vm_readv": 310, "seccomp": 317, "getrandom": 318, "memfd_create": 319, "bpf": 321, "execveat": 322,
    "io_uring_setup": 425, "clone3": 435, "openat2": 437, "landlock_create_ruleset": 444,
    "landlock_restrict_self": 446,
}  # fmt: skip
_AARCH64 = {
    "mount": 40, "openat": 56, "close": 57, "lseek": 62, "read": 63, "write": 64, "pread64": 67, "pwrite64": 68,
    "ppoll": 73, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98, "nanosleep": 101, "clock_gettime": 113,
    "clock_getres": 114, "clock_nanosleep": 115, "ptrace": 117, "sched_getaffinity": 123, "sched_yield": 124,
    "restart_syscall": 128, "kill": 129, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
    "prctl": 167, "gettid": 178, "socket": 198, "connect": 203, "sendto": 206, "recvfrom": 207, "brk": 214,
    "munmap": 215, "mremap": 216, "clone": 220, "execve": 221, "mmap": 222, "fadvise64": 223, "mprotect": 226,
    "madvise": 233,
    "process_vm_readv": 270, "seccomp": 277, "getrandom": 278, "memfd_create": 279, "bpf": 280, "execveat": 281,
    "io_uring_setup": 425, "clone3": 435, "openat2": 437, "landlock_create_ruleset": 444,
    "landlock_restrict_self": 446,
}  # fmt: skip
_MACHINES = {"x86_64": Machine(0xC000003E, _X86_64), "aarch64": Machine(0xC00000B7, _AARCH64)}


@functools.cache
def this_machine() -> Machine | None:
    """Returns this architecture; None if it is not supported or the system is not Linux."""
    if sys.platform != "linux" or struct.calcsize("P") != 8:
        return None
    return _MACHINES.get(os.uname().machine)


def make(number: int, *arguments: Any) -> int:
    """Makes a system call and returns its result.

    Raises:
        OSError: the call failed.
    """
    wide = (ctypes.c_long(value) if isinstance(value, int) else value for value in (number, *arguments))
    result = int(_SYSCALL(*wide))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# PyDLL keeps the GIL: otherwise a fork by system call would continue without it.
_SYSCALL = ctypes.PyDLL(None, use_errno=True).syscall
_SYSCALL.restype = ctypes.c_long
