"""The parent's side of one child process: sends the job, reads messages, enforces limits. The child is untrusted."""

import contextlib
import json
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.limits import Limits
from video2mp3.engine.parent.zygote_client import ZYGOTE, ChildHandle
from video2mp3.engine.source import RangeServer, Source
from video2mp3.errors import Canceled, EngineCrashed, TimeLimitReached, Video2mp3Error

TICK_S = 0.2
"""Longest interval between calls of `should_stop` and checks of the time limits."""
MAX_LINE_BYTES = 4 * 1024**2
MAX_STATUS_BYTES = 64 * 1024**2


class Child:
    """One child process; use it in a with block, which always ends the process."""

    def __init__(self, source: Source, sink: int | None, task: Mapping[str, Any], limits: Limits) -> None:
        """Starts it; `task` holds the task's name under `task`, and what that needs."""
        self._limits = limits
        descriptor = _descriptor_of(source)
        self._server = RangeServer(source) if descriptor is None else None
        passed = [descriptor if self._server is None else self._server.theirs.fileno(), sink]
        job = {
            **task,
            "limits": limits.as_dict(),
            "threads": 0 if sink is None else limits.threads or available_cpus(),
            "source": {
                "name": source.name,
                "size_bytes": source.size_bytes,
                "ranges": self._server is not None,
                "growing": getattr(source, "growing", False),
            },
        }
        try:
            self._handle = start([fd for fd in passed if fd is not None], job)
        except BaseException:
            if self._server:
                self._server.close()
            raise
        if self._server:
            self._server.start()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._handle.pid

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self._handle.close()
        if self._server:
            self._server.close()

    def kill(self) -> None:
        """Kills the child and waits for its end."""
        self._handle.kill()

    def messages(self, should_stop: Callable[[], bool] | None = None) -> Iterator[Mapping[str, Any]]:
        """Yields the child's messages until it closes the socket.

        Raises:
            Canceled: `should_stop` returned True.
            TimeLimitReached: the child exceeded the total time, or the time without progress.
            EngineCrashed: a message is malformed.
            Video2mp3Error: the source raised it.
        """
        clock = _Clock(self._limits, self._server)
        lines = _Lines()
        with selectors.DefaultSelector() as selector:
            selector.register(self._handle.job, selectors.EVENT_READ)
            while True:
                data = _receive(self._handle.job) if selector.select(TICK_S) else None
                self._raise_source_error()
                if data == b"":
                    return
                for message in lines.feed(data or b""):
                    clock.record(message)
                    yield message
                if should_stop is not None and should_stop():
                    raise Canceled
                clock.check()

    def _raise_source_error(self) -> None:
        if self._server and self._server.error:
            if isinstance(self._server.error, Video2mp3Error):
                raise self._server.error
            raise EngineCrashed("The source could not be read.") from self._server.error


class _Clock:
    """The two time limits: total time, and time without progress."""

    def __init__(self, limits: Limits, server: RangeServer | None) -> None:
        self._limits = limits
        self._server = server
        self._started_s = self._moved_s = time.monotonic()
        self._waited_s = 0.0
        self._done_s = 0.0

    def record(self, message: Mapping[str, Any]) -> None:
        progress = message.get("progress")
        done_s = progress.get("done_s") if isinstance(progress, dict) else None
        if isinstance(done_s, (int, float)) and done_s > self._done_s:
            self._done_s = done_s
            self._moved_s = time.monotonic()
            self._waited_s = self._server.waited_s() if self._server else 0.0

    def check(self) -> None:
        now_s = time.monotonic()
        waited_s = (self._server.waited_s() if self._server else 0.0) - self._waited_s
        if now_s - self._started_s > self._limits.wall_clock_s:
            raise TimeLimitReached
        if now_s - self._moved_s - waited_s > self._limits.no_progress_s:
            raise TimeLimitReached(f"The conversion made no progress for {self._limits.no_progress_s:.0f} s.")


class _Lines:
    """Splits the bytes from the pipe into messages, within limits."""

    def __init__(self) -> None:
        self._rest = b""
        self._total_bytes = 0

    def feed(self, data: bytes) -> Iterator[Mapping[str, Any]]:
        self._total_bytes += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._total_bytes > MAX_STATUS_BYTES or len(self._rest) > MAX_LINE_BYTES:
            raise EngineCrashed
        for line in lines:
            yield _message(line)


def _message(line: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise EngineCrashed from None
    if not isinstance(message, dict):
        raise EngineCrashed
    return message


def start(descriptors: Sequence[int], job: Mapping[str, Any]) -> ChildHandle:
    """Starts a process and sends its job. The caller must end the process."""
    handle = ZYGOTE.fork(descriptors)
    with contextlib.suppress(ConnectionError):  # the child was killed; `messages` reports that
        handle.job.sendall(json.dumps(job).encode() + b"\n")
    return handle


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:  # the child ended before it read its job
        return b""


def _descriptor_of(source: Source) -> int | None:
    fileno = getattr(source, "fileno", None)
    return fileno() if fileno is not None else None
