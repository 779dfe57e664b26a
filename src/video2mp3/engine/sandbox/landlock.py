"""Landlock with no rules: no path, no TCP port, no signal and no abstract socket outside the process.

Source: the kernel's Documentation/userspace-api/landlock.rst.
"""

import ctypes
import os

from video2mp3.engine.sandbox import system_calls
from video2mp3.engine.sandbox.system_calls import this_machine

_CREATE_RULESET_VERSION = 1
_NEWEST_ABI_KNOWN = 6
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16, 6: 16}
"""Number of file rights in each ABI version: that many of the lowest bits."""
_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def abi() -> int:
    """Returns the kernel's Landlock ABI version; 0 if it has none."""
    machine = this_machine()
    if machine is None:
        return 0
    try:
        return system_calls.make(machine.numbers["landlock_create_ruleset"], None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict() -> None:
    """Restricts this thread and all threads that it starts. The process must have no_new_privs.

    Raises:
        OSError: the kernel refused.
    """
    machine, version = this_machine(), min(abi(), _NEWEST_ABI_KNOWN)
    if machine is None or version == 0:
        return
    rules = _Rules(
        files=(1 << _FILE_RIGHTS[version]) - 1,
        network=_BIND_AND_CONNECT_TCP if version >= 4 else 0,
        scoped=_ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0,
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = system_calls.make(machine.numbers["landlock_create_ruleset"], ctypes.byref(rules), size, 0)
    try:
        system_calls.make(machine.numbers["landlock_restrict_self"], ruleset, 0)
    finally:
        os.close(ruleset)
