"""The seccomp filter: a permanent allowlist of system calls for all threads.

It does not use libseccomp, which slim images do not have. Source: the kernel's
Documentation/userspace-api/seccomp_filter.rst and seccomp(2).
"""

import ctypes
import errno
from collections.abc import Iterable

from video2mp3.engine.sandbox import system_calls
from video2mp3.engine.sandbox.system_calls import Machine, this_machine

ALLOWED = (
    # memory and locks
    "futex", "brk", "munmap", "mremap", "madvise",
    # the descriptors it was given
    "read", "write", "pread64", "pwrite64", "lseek", "fstat", "fadvise64", "recvfrom", "sendto", "poll", "ppoll",
    "close",
    # time
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "restart_syscall",
    # itself
    "sched_yield", "sched_getaffinity", "gettid", "getrandom",
    "rt_sigprocmask", "rt_sigreturn", "rt_sigaction", "exit", "exit_group",
)  # fmt: skip
ALLOWED_UNLESS_EXECUTABLE = ("mmap", "mprotect")
"""Their third argument decides whether the memory is executable."""

_SET_MODE_FILTER = 1
_GET_ACTION_AVAIL = 2
_FLAG_TSYNC = 1
_FLAG_SPEC_ALLOW = 4
_RET_KILL_PROCESS = 0x80000000
_RET_ERRNO = 0x00050000
_RET_ALLOW = 0x7FFF0000
_PROT_EXEC = 4
_X32_BIT = 0x40000000

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _THIRD_ARGUMENT_AT = 0, 4, 32


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def available() -> bool:
    """Returns whether this process can use seccomp filters."""
    machine = this_machine()
    if machine is None:
        return False
    action = ctypes.c_uint32(_RET_ERRNO)
    try:
        system_calls.make(machine.numbers["seccomp"], _GET_ACTION_AVAIL, 0, ctypes.byref(action))
    except OSError:
        return False
    return True


def restrict() -> None:
    """Restricts all threads of this process to the allowlist. It must have no_new_privs.

    Raises:
        OSError: the kernel refused.
    """
    machine = this_machine()
    if machine is None:
        raise OSError(errno.ENOSYS, "no filter is known for this machine")
    instructions = filter_for(machine)
    program = _Program(len(instructions), (_Instruction * len(instructions))(*instructions))
    # SPEC_ALLOW: otherwise older kernels slow down decoding to prevent side channels; this process has no secrets.
    flags = _FLAG_TSYNC | _FLAG_SPEC_ALLOW
    thread = system_calls.make(machine.numbers["seccomp"], _SET_MODE_FILTER, flags, ctypes.byref(program))
    if thread:
        raise OSError(errno.EBUSY, f"thread {thread} could not be restricted")


def filter_for(machine: Machine) -> list[_Instruction]:
    """Returns the filter: calls of another architecture kill the process, calls not on the list fail with EPERM."""
    return [
        _Instruction(_LOAD, 0, 0, _ARCH_AT),
        _Instruction(_JUMP_IF_EQUAL, 1, 0, machine.audit_arch),
        _Instruction(_RETURN, 0, 0, _RET_KILL_PROCESS),
        _Instruction(_LOAD, 0, 0, _NUMBER_AT),
        _Instruction(_JUMP_IF_AT_LEAST, 0, 1, _X32_BIT),
        _Instruction(_RETURN, 0, 0, _RET_KILL_PROCESS),
        *_allow(machine, ALLOWED),
        *_allow_unless_executable(machine, ALLOWED_UNLESS_EXECUTABLE),
        _Instruction(_RETURN, 0, 0, _RET_ERRNO | errno.EPERM),
    ]


def _allow(machine: Machine, names: Iterable[str]) -> list[_Instruction]:
    return [
        instruction
        for name in names
        if name in machine.numbers
        for instruction in (
            _Instruction(_JUMP_IF_EQUAL, 0, 1, machine.numbers[name]),
            _Instruction(_RETURN, 0, 0, _RET_ALLOW),
        )
    ]


def _allow_unless_executable(machine: Machine, names: Iterable[str]) -> list[_Instruction]:
    return [
        instruction
        for name in names
        for instruction in (
            _Instruction(_JUMP_IF_EQUAL, 0, 4, machine.numbers[name]),
            _Instruction(_LOAD, 0, 0, _THIRD_ARGUMENT_AT),
            _Instruction(_JUMP_IF_BITS, 0, 1, _PROT_EXEC),
            _Instruction(_RETURN, 0, 0, _RET_ERRNO | errno.EPERM),
            _Instruction(_RETURN, 0, 0, _RET_ALLOW),
        )
    ]
