"""The zygote, from which every job's process is forked. `parent/zygote_client.py` starts it.

It starts once with an empty environment, loads the media libraries, and then forks: 2 ms per job instead of 100. It
never sees a job. The parent sends one byte and the job's descriptors through the control socket; the first descriptor
is the job's socket. The zygote replies on that socket with the new process's id and pidfd. Then only the parent and the
new process use it.

The zygote always has one thread, so that a fork copies its whole state. It ends when the parent closes the control
socket or ends, and the processes that it forked end with it. A zygote that the parent has replaced (`RETIRE`) ends
after its last process.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from video2mp3.engine.child.main import do_job
from video2mp3.engine.child.warm_up import warm_up
from video2mp3.engine.zygote_protocol import FORK_REPLY, MAX_DESCRIPTORS, READY, REQUEST, RETIRE

_LOOK_EVERY_S = 0.2
_NICENESS = 10
"""Requests and other programs have precedence over conversions."""


def main() -> NoReturn:
    """Forks on request until the parent ends, then ends too. Its argument is the control socket's descriptor."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the zygote and its children end with the parent
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    warm_up()
    os.nice(_NICENESS)  # not before: the start of the service waits for the warm-up
    gc.freeze()  # otherwise each child's first collection would copy the memory that it shares with this process
    gc.enable()
    with socket.socket(fileno=int(sys.argv[1])) as control, contextlib.suppress(ConnectionError):
        control.sendall(READY)
        _serve(control)
    os._exit(0)  # the parent waits for the end, and a regular exit would take 40 ms


def _serve(control: socket.socket) -> None:
    """Forks until the parent ends or, after `RETIRE`, until all forked processes have ended."""
    retired = False
    while True:
        if retired and not select.select([control], [], [], _LOOK_EVERY_S)[0]:
            if not _has_children():
                return
            continue
        data, descriptors, _, _ = socket.recv_fds(control, len(REQUEST), MAX_DESCRIPTORS)
        if not data:
            return
        retired = retired or data == RETIRE
        if descriptors:
            _fork(descriptors)


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _fork(descriptors: list[int]) -> None:
    zygote_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            do_job(zygote_pid, descriptors)
        finally:
            os._exit(1)
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptors[0])) as job:
        pidfds = _pidfds(pid)
        socket.send_fds(job, [FORK_REPLY.pack(pid)], pidfds)
        for pidfd in pidfds:
            os.close(pidfd)
    for descriptor in descriptors:
        os.close(descriptor)


def _pidfds(pid: int) -> list[int]:
    """Returns the process's pidfd, if the system has pidfds. The id is still valid: the process waits for its job."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # Python for an old C library has no such function
            return [os.pidfd_open(pid)]
    return []
