"""Finds out whether an upload in progress can be converted before it is complete; each process inspects it once.

This module inspects the first 256 KiB. If they do not suffice, a sandboxed child inspects more in the background: a
request never waits for it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from video2mp3.engine import Limits, Source, inspect_stream
from video2mp3.engine.containers.streamability import HEAD_BYTES, MoreNeeded, StreamInfo, inspect_head
from video2mp3.errors import EngineError, Video2mp3Error

log = structlog.get_logger()

MAX_SANDBOXES = 2
"""At once in one process, and one per account. While all are in use, an upload is inspected with a later chunk."""
MAX_TRIES = 3
"""Inspections of one upload in the sandbox: a file that needs more bytes again and again waits until it is complete."""
MAX_REMEMBERED = 1000
_LIMITS = Limits(wall_clock_s=10.0, no_progress_s=10.0, memory_bytes=512 * 1024**2)


@dataclass
class _Entry:
    answer: StreamInfo | MoreNeeded
    tries: int = 0
    running: bool = False


class StreamInspections:
    """What this process knows about uploads in progress. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._users: set[str] = set()
        self._sandboxes = ThreadPoolExecutor(MAX_SANDBOXES, thread_name_prefix="stream-inspection")

    def find(
        self, upload_id: str, user_id: str, here_bytes: int, size_bytes: int, open_source: Callable[[], Source]
    ) -> StreamInfo | None:
        """Returns what is known about an upload; None if too few bytes were received, or the inspection still runs.

        Args:
            upload_id: The upload.
            user_id: Its owner.
            here_bytes: The bytes received so far.
            size_bytes: The size of the whole upload.
            open_source: Opens the received bytes.

        Raises:
            Unavailable, NotFound: errors of the source.
        """
        entry = self._known(upload_id)
        if entry is None:
            if here_bytes < min(HEAD_BYTES, size_bytes):
                return None
            entry = self._remember(upload_id, inspect_head(open_source().read_at(0, HEAD_BYTES), size_bytes))
        if isinstance(entry.answer, StreamInfo):
            return entry.answer
        if here_bytes >= entry.answer.needed_bytes:
            self._start(entry, upload_id, user_id, size_bytes, open_source)
        return None

    def _known(self, upload_id: str) -> _Entry | None:
        with self._lock:
            entry = self._entries.get(upload_id)
            if entry is not None:
                self._entries.move_to_end(upload_id)
            return entry

    def _remember(self, upload_id: str, answer: StreamInfo | MoreNeeded) -> _Entry:
        with self._lock:
            entry = self._entries.setdefault(upload_id, _Entry(answer))
            while len(self._entries) > MAX_REMEMBERED:
                self._entries.popitem(last=False)
            return entry

    def _start(
        self, entry: _Entry, upload_id: str, user_id: str, size_bytes: int, open_source: Callable[[], Source]
    ) -> None:
        with self._lock:
            if entry.running or user_id in self._users or len(self._users) >= MAX_SANDBOXES:
                return
            entry.running = True
            self._users.add(user_id)
        try:
            self._sandboxes.submit(self._inspect, entry, upload_id, user_id, size_bytes, open_source)
        except RuntimeError:  # the process is shutting down
            self._end(entry, user_id)

    def _inspect(
        self, entry: _Entry, upload_id: str, user_id: str, size_bytes: int, open_source: Callable[[], Source]
    ) -> None:
        try:
            entry.tries += 1
            entry.answer = inspect_stream(open_source(), size_bytes, limits=_LIMITS)
        except EngineError as error:
            log.info("stream_inspection_failed", upload_id=upload_id, error=error.code)
            entry.answer = StreamInfo("format_not_streamable")
        except Video2mp3Error as error:  # the storage or the database; the next chunk tries again
            log.warning("stream_inspection_unavailable", upload_id=upload_id, error=error.code)
        except Exception:
            log.exception("stream_inspection_error", upload_id=upload_id)
        finally:
            if entry.tries >= MAX_TRIES and isinstance(entry.answer, MoreNeeded):
                entry.answer = StreamInfo("format_not_streamable")
            self._end(entry, user_id)

    def _end(self, entry: _Entry, user_id: str) -> None:
        with self._lock:
            entry.running = False
            self._users.discard(user_id)
