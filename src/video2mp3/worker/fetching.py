"""Fetches files from URLs into uploads, before they are converted."""

import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import structlog

from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.engine import Limits, find_mp4_audio
from video2mp3.engine.mp4_extract import Mp4Extract
from video2mp3.errors import (
    Canceled,
    Conflict,
    EngineError,
    NotFound,
    QuotaExceeded,
    SourceIsPage,
    SourceNotFound,
    SourceRefused,
    Unreachable,
    UploadDeleted,
    UploadTooLarge,
)
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim
from video2mp3.outbound import THROUGHPUT_WINDOW_S, ExchangeContext, Guard, Incoming, RemoteFile, get, is_transient
from video2mp3.storage import Storage
from video2mp3.storage.scratch import check_free_disk
from video2mp3.worker.partial_fetches import PartialFetch, PartialFetches
from video2mp3.worker.read_ahead import ReadAheadBuffer, coalesce_ranges

log = structlog.get_logger()

_PIECE_SIZE_BYTES = 256 * 1024
# Resumptions per attempt that bring no new byte.
_MAX_FRUITLESS_RESUMPTIONS = 3
_PAUSE_S = 2.0
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
# Time for finding the index of an MP4.
_INDEX_LIMIT_S = 120.0
# Each search takes a process and its memory. While two run, further files are fetched completely.
_indexes = threading.BoundedSemaphore(2)
_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_MP4_SUFFIXES = (".mp4", ".m4v", ".mov")


@dataclass(frozen=True)
class FetchLimits:
    """Limits for fetching and delivering files."""

    guard: Guard = field(default_factory=Guard)
    max_size_bytes: int = sys.maxsize
    """Size of one file."""
    stored_bytes: int = sys.maxsize
    """Quota of the user for uploads and results."""
    min_free_disk_bytes: int = 0
    time_limit_s: float = 3600.0
    """Time for one attempt at one file."""
    least_bytes_per_s: float = 16 * 1024
    """The fetch fails if the throughput over 30 s is lower; 0: no minimum."""
    upload_retention_s: int = 86_400


@dataclass(frozen=True)
class Fetched:
    """A fetched file."""

    upload_id: str
    read_bytes: int
    """Bytes read from the server; fewer than the file has, if only the audio of an MP4 was fetched."""


def fetch(  # noqa: PLR0913 - what it works on, and what its lease answers
    database: Database,
    storage: Storage,
    claim: Claim,
    limits: FetchLimits,
    should_stop: Callable[[], bool],
    on_moved: Callable[[int], None] = lambda _: None,
    partials: PartialFetches | None = None,
    is_kept: Callable[[], bool] = lambda: False,
) -> Fetched:
    """Fetches the file at the job's `source_url` into an upload of its user's.

    Of an MP4, only the audio is fetched (see `mp4_audio`) if the server supports ranges and that saves more than half.

    Once the upload is complete, one transaction assigns it to the job and queues the job. If the worker dies before
    that, the upload expires and the next worker starts again. If the work must stop and `is_kept` returns True,
    `partials` remembers the received bytes, and this worker resumes there next time.

    Raises:
        UrlRejected: when the URL leads to a private network.
        Unreachable: when the server does not answer or aborts; a later attempt may succeed.
        SourceNotFound, SourceRefused: when the server does not serve the file.
        SourceIsPage: when the server serves a web page.
        UploadTooLarge, QuotaExceeded: when the file exceeds a limit.
        UploadDeleted: when the lease was lost, or the user deleted the upload.
        Canceled: when the work must stop.
        Unavailable: when the database or the storage does not answer, or is full.
    """
    return _Fetch(database, storage, claim, limits, should_stop, on_moved).run(partials or PartialFetches(), is_kept)


class _Fetch:
    def __init__(
        self,
        database: Database,
        storage: Storage,
        claim: Claim,
        limits: FetchLimits,
        should_stop: Callable[[], bool],
        on_moved: Callable[[int], None],
    ) -> None:
        assert claim.source_url is not None
        self._url = claim.source_url
        self._database = database
        self._storage = storage
        self._claim = claim
        self._limits = limits
        self._should_stop = should_stop
        self._on_moved = on_moved
        self._end_s = time.monotonic() + limits.time_limit_s
        self._writer: uploads.ChunkWriter | None = None
        self._upload_id = ""
        self._left_bytes = 0
        self._read_bytes = 0
        # The server's ETag or date, which shows whether the file has changed; None if the server sends none.
        self._validator: str | None = None

    def run(self, partials: PartialFetches, is_kept: Callable[[], bool]) -> Fetched:
        started_s = time.monotonic()
        try:
            if self._resume(partials.take(self._claim.job_id)) or not self._receive_audio():
                self._receive_all()
            self._complete()
        except Canceled:
            if not (is_kept() and self._keep(partials)):
                self._abort()
            raise
        except Conflict:
            self._abort()
            raise UploadDeleted from None
        except BaseException:
            self._abort()
            raise
        took_s = round(time.monotonic() - started_s, 3)
        log.info("source_fetched", job_id=self._claim.job_id, read_bytes=self._read_bytes, took_s=took_s)
        return Fetched(self._upload_id, self._read_bytes)

    def _resume(self, kept: PartialFetch | None) -> bool:
        """Resumes a preempted fetch if its upload still exists; returns whether it does."""
        if kept is None:
            return False
        with self._database.read() as session:
            try:
                upload = uploads.find(session, kept.upload_id, self._claim.user_id)
            except NotFound:
                return False
            if (upload.state, upload.received_bytes) != ("open", kept.received_bytes):
                return False
        self._upload_id, self._validator = kept.upload_id, kept.validator
        self._left_bytes, self._read_bytes = kept.left_bytes, kept.read_bytes
        self._writer = self._write_from(kept.received_bytes)
        return True

    def _keep(self, partials: PartialFetches) -> bool:
        """Remembers the received bytes if the server supports resuming; returns whether it does."""
        if self._writer is None or not self._validator:
            return False
        self._writer.close()
        kept = PartialFetch(
            self._upload_id, self._writer.received_bytes, self._left_bytes, self._read_bytes, self._validator
        )
        partials.keep(self._claim.job_id, kept)
        return True

    def _receive_audio(self) -> bool:
        """Fetches only the audio of an MP4, if that saves enough; returns whether it did.

        If anything about the server or the file is unusual, the caller fetches the whole file.
        """
        is_mp4 = self._claim.source_name.lower().endswith(_MP4_SUFFIXES)
        if not is_mp4 or self._claim.options.cover_at_s is not None:
            return False
        try:
            with self._get({"Range": "bytes=0-0"}) as first:
                whole = _CONTENT_RANGE.fullmatch(first.headers.get("content-range", ""))
                validator, target = _validator(first), first.target
                if first.status != 206 or whole is None or whole[2] == "*" or not validator:
                    return False
            size_bytes = int(whole[2])
            if size_bytes > self._limits.max_size_bytes:
                return False
            with RemoteFile(target, size_bytes, validator, self._context(self._limits.guard)) as remote:
                return self._write_audio(remote)
        except Unreachable:
            self._abort()
            return False

    def _write_audio(self, remote: RemoteFile) -> bool:
        audio = self._find_audio(remote)
        if audio is None:
            return False
        groups = list(coalesce_ranges(audio.ranges))
        to_read_bytes = sum(group[-1][0] + group[-1][1] - group[0][0] for group in groups)
        if 2 * (remote.read_bytes + to_read_bytes) >= remote.size_bytes:
            return False
        self._writer = self._begin(audio.size_bytes)
        self._write(self._writer, audio.head)
        for group in groups:
            start = group[0][0]
            data = remote.read(start, group[-1][0] + group[-1][1] - start)
            self._write(self._writer, b"".join(data[offset - start :][:size] for offset, size in group))
        self._read_bytes = remote.read_bytes
        return True

    def _find_audio(self, remote: RemoteFile) -> Mp4Extract | None:
        """Lets the sandboxed child read the index."""
        if not _indexes.acquire(blocking=False):
            return None
        limits = Limits(wall_clock_s=max(1.0, min(_INDEX_LIMIT_S, self._left_s)), memory_bytes=512 * 1024**2)
        try:
            return find_mp4_audio(ReadAheadBuffer(remote), should_stop=self._should_stop, limits=limits)
        except EngineError:
            return None
        finally:
            _indexes.release()

    def _receive_all(self) -> None:
        fruitless = 0
        began_s, began_bytes = time.monotonic(), self._read_bytes
        while True:
            before_bytes = self._received_bytes
            try:
                return self._receive()
            except Unreachable:
                fruitless = 0 if self._received_bytes > before_bytes else fruitless + 1
                # Aborted responses must not help a slow server around the minimum throughput.
                least_bytes = self._limits.least_bytes_per_s * (time.monotonic() - began_s - THROUGHPUT_WINDOW_S)
                is_slow = self._read_bytes - began_bytes < least_bytes
                if not self._validator or fruitless >= _MAX_FRUITLESS_RESUMPTIONS or is_slow:
                    raise
            time.sleep(_PAUSE_S)

    def _receive(self) -> None:
        """Sends one request: for the whole file, or for the bytes that are missing."""
        headers = {}
        if self._received_bytes and self._validator:
            headers = {"Range": f"bytes={self._received_bytes}-", "If-Range": self._validator}
        with self._get(headers) as incoming:
            writer = self._writer_for(incoming)
            while data := incoming.read(_PIECE_SIZE_BYTES):
                self._read_bytes += len(data)
                self._write(writer, data)

    def _get(self, headers: Mapping[str, str]) -> AbstractContextManager[Incoming]:
        guard = self._limits.guard
        return get(self._url, headers, self._context(guard))

    def _context(self, guard: Guard) -> ExchangeContext:
        least_bytes_per_s = self._limits.least_bytes_per_s
        return ExchangeContext(guard, self._left_s, least_bytes_per_s, self._should_stop, self._on_moved)

    @property
    def _left_s(self) -> float:
        return self._end_s - time.monotonic()

    def _write(self, writer: uploads.ChunkWriter, data: bytes) -> None:
        if writer.received_bytes + len(data) > self._left_bytes:
            raise QuotaExceeded
        writer.write(data)

    def _writer_for(self, incoming: Incoming) -> uploads.ChunkWriter:
        """Returns the writer for the response: the present one if it resumes, else one for a new upload."""
        _require_given(incoming)
        if self._writer is not None and _start_bytes(incoming) == self._received_bytes:
            return self._writer
        if incoming.status == 206:
            raise Unreachable("The other server sent another range of the file than was requested.")
        self._abort()
        self._validator = _validator(incoming)
        self._writer = self._begin(incoming.size_bytes or 0)
        return self._writer

    def _begin(self, size_bytes: int) -> uploads.ChunkWriter:
        """Creates the upload if there is room for this many bytes (0: not known)."""
        limits = self._limits
        if size_bytes > limits.max_size_bytes:
            raise UploadTooLarge
        check_free_disk(self._storage.scratch_folder, limits.min_free_disk_bytes + size_bytes)
        # The workers limit how many are fetched at the same time: see `TransferLimits`.
        allowed = uploads.UploadLimits(uploads_at_once=sys.maxsize, stored_bytes=limits.stored_bytes)
        with self._database.write() as session:
            self._left_bytes = uploads.check_storage_quota(session, self._claim.user_id, allowed, size_bytes)
            upload = uploads.create(
                session,
                user_id=self._claim.user_id,
                name=self._claim.source_name,
                size_bytes=size_bytes or None,
                lifetime_s=limits.upload_retention_s,
            )
        self._upload_id = upload.id
        return self._write_from(0)

    def _write_from(self, received_bytes: int) -> uploads.ChunkWriter:
        return uploads.ChunkWriter(
            self._database,
            self._storage,
            self._upload_id,
            received_bytes,
            max_size_bytes=self._limits.max_size_bytes,
            min_free_disk_bytes=self._limits.min_free_disk_bytes,
        )

    def _complete(self) -> None:
        assert self._writer is not None
        self._writer.close()
        with self._database.write() as session:
            if not uploads.complete(session, self._upload_id):
                raise UploadDeleted
            upload = uploads.find(session, self._upload_id, self._claim.user_id)
            if not lifecycle.fetched(session, self._claim, upload, self._read_bytes):
                raise UploadDeleted

    @property
    def _received_bytes(self) -> int:
        return 0 if self._writer is None else self._writer.received_bytes

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.abort()
            self._writer = None


def _require_given(incoming: Incoming) -> None:
    """Raises if the response is neither the file nor a range of it."""
    status = incoming.status
    if status in (200, 206):
        if incoming.headers.get("content-type", "").lower().startswith(_PAGE_TYPES):
            raise SourceIsPage
        return
    # 416: the file is now shorter than the received bytes.
    if is_transient(status) or status == 416:
        raise Unreachable(f"{incoming.target.host} answered with status {status}.")
    if status in (404, 410):
        raise SourceNotFound(f"{incoming.target.host} has no such file (status {status}).")
    raise SourceRefused(f"{incoming.target.host} does not serve the file (status {status}); signed links expire.")


def _start_bytes(incoming: Incoming) -> int | None:
    """Returns the offset of the received range; None if the response is the whole file."""
    if incoming.status != 206:
        return None
    match = _CONTENT_RANGE.fullmatch(incoming.headers.get("content-range", ""))
    return int(match[1]) if match else None


def _validator(incoming: Incoming) -> str | None:
    # A weak ETag does not guarantee identical bytes.
    etag = incoming.headers.get("etag", "")
    validator = etag if etag.startswith('"') else incoming.headers.get("last-modified", "")
    # It becomes a request header, so control characters are not allowed.
    return validator if validator.isascii() and validator.isprintable() else None
