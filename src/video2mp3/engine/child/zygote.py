"""The program that every job's process is forked from: ``python -I -m video2mp3.engine.child.zygote FD``.

It is started once, with an empty environment, loads the media libraries, and then forks: 2 ms a job
instead of 100. It never sees a job: the parent sends one byte and the job's descriptors through the control
socket, of which the first is the job's own socket. Through that goes the answer, the new process's id with a pidfd;
then it belongs to the parent and the new process alone.

It has one thread, always, so that a fork copies all of it. It ends when the control socket does, which is
when the parent ends, however that happens; the processes it forked end with it. One that the parent has replaced
(`RETIRE`) ends after the last process that it forked.
"""

import contextlib
import gc
import os
import select
import signal
import socket
import sys

from video2mp3.engine.child.main import do_job
from video2mp3.engine.child.warm_up import warm_up
from video2mp3.engine.zygote_protocol import FORK_REPLY, MAX_DESCRIPTORS, READY, REQUEST, RETIRE

_LOOK_EVERY_S = 0.2
_NICENESS = 10
"""Requests and the rest of the machine go first; conversions get every cycle that is left."""


def main() -> None:
    """Forks on request, until the parent has gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # its end, and that of its children, is the parent's
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    warm_up()
    os.nice(_NICENESS)  # not before: the start of the service waits for the warm-up
    gc.collect()
    gc.freeze()  # else each child's first collection would copy all of the memory it shares with this process
    with socket.socket(fileno=int(sys.argv[1])) as control, contextlib.suppress(ConnectionError):
        control.sendall(READY)
        _serve(control)


def _serve(control: socket.socket) -> None:
    """Forks until the parent has gone or, once it has been retired, until all that it forked has ended."""
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
    """Returns the process's pidfd, if the system has it. It cannot be another's: it waits for its job."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return [os.pidfd_open(pid)]
    return []


if __name__ == "__main__":
    main()
    os._exit(0)  # the parent waits for this; to tidy up would take 40 ms, and the kernel does it too
