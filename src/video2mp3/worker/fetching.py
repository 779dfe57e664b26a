"""Files at URLs: fetched into an upload before they are converted, and MP3s sent to URLs."""

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.errors import (
    QuotaExceeded,
    ResultRefused,
    SourceNotFound,
    SourceRefused,
    Unreachable,
    UploadGone,
    UploadTooLarge,
    WrongState,
)
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim
from video2mp3.outbound import Guard, Incoming, get, put
from video2mp3.storage import Storage
from video2mp3.storage.scratch import require_free

log = structlog.get_logger()

_PIECE_SIZE_BYTES = 256 * 1024
# Of one try: a line that breaks again and again, without bringing anything, is not worth more.
_CONTINUATIONS_IN_VAIN = 3
_SENDS = 3
_PAUSE_S = 2.0
# Statuses that may be others a little later, apart from 5xx.
_PASSING = (408, 421, 425, 429)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:\d{1,18}|\*)")


@dataclass(frozen=True)
class FetchLimits:
    """What may be fetched and sent, for each user's job."""

    guard: Guard = field(default_factory=Guard)
    max_size_bytes: int = sys.maxsize
    """Of one file."""
    stored_bytes: int = sys.maxsize
    """Of all that is kept for the user."""
    min_free_bytes: int = 0
    time_limit_s: float = 3600.0
    """For one try at one file."""
    upload_lifetime_s: int = 86_400


def fetch(
    database: Database, storage: Storage, claim: Claim, limits: FetchLimits, should_stop: Callable[[], bool]
) -> str:
    """Fetches the file at the job's `source_url` into an upload of its user's; returns the upload's id.

    The job has the upload from the moment on at which it is whole. Until then nobody knows it, so whoever dies here
    leaves an upload that expires, and the next worker begins anew.

    Raises:
        UrlRefused: when the URL leads inside.
        Unreachable: when the server does not answer, or breaks off: worth another try.
        SourceNotFound, SourceRefused: when the server does not give the file.
        UploadTooLarge, QuotaExceeded: when it is more than may be stored.
        UploadGone: when the job was lost meanwhile, or its user deleted the upload.
        Canceled: when the work has to stop.
        Unavailable: when the database or the storage does not answer, or is full.
    """
    return _Fetch(database, storage, claim, limits, should_stop).run()


class _Fetch:
    def __init__(
        self, database: Database, storage: Storage, claim: Claim, limits: FetchLimits, should_stop: Callable[[], bool]
    ) -> None:
        assert claim.source_url is not None
        self._url = claim.source_url
        self._database = database
        self._storage = storage
        self._claim = claim
        self._limits = limits
        self._should_stop = should_stop
        self._end_s = time.monotonic() + limits.time_limit_s
        self._writer: uploads.ChunkWriter | None = None
        self._upload_id = ""
        self._left_bytes = 0
        # What tells whether the file is still the same (an ETag or a date), where the server says so.
        self._validator: str | None = None

    def run(self) -> str:
        started_s = time.monotonic()
        try:
            self._receive_all()
            self._complete()
        except WrongState:
            self._abort()
            raise UploadGone from None
        except BaseException:
            self._abort()
            raise
        log.info("source_fetched", job_id=self._claim.job_id, took_s=round(time.monotonic() - started_s, 3))
        return self._upload_id

    def _receive_all(self) -> None:
        in_vain = 0
        while True:
            before_bytes = self._received_bytes
            try:
                return self._receive()
            except Unreachable:
                in_vain = 0 if self._received_bytes > before_bytes else in_vain + 1
                if not self._validator or in_vain >= _CONTINUATIONS_IN_VAIN:
                    raise
            time.sleep(_PAUSE_S)

    def _receive(self) -> None:
        """One request: from the beginning, or for the rest of what has come."""
        headers = {}
        if self._received_bytes and self._validator:
            headers = {"Range": f"bytes={self._received_bytes}-", "If-Range": self._validator}
        left_s = self._end_s - time.monotonic()
        with get(
            self._url, headers, guard=self._limits.guard, timeout_s=left_s, should_stop=self._should_stop
        ) as incoming:
            writer = self._writer_for(incoming)
            while data := incoming.read(_PIECE_SIZE_BYTES):
                if writer.received_bytes + len(data) > self._left_bytes:
                    raise QuotaExceeded
                writer.write(data)

    def _writer_for(self, incoming: Incoming) -> uploads.ChunkWriter:
        """Returns where the answer's bytes go: on where the last ones ended, or into a new upload."""
        _require_given(incoming)
        if self._writer is not None and _start_bytes(incoming) == self._received_bytes:
            return self._writer
        if incoming.status == 206:
            raise Unreachable("The other server gave another part of the file than was asked for.")
        self._abort()
        self._validator = _validator(incoming)
        self._writer = self._begin(incoming.size_bytes or 0)
        return self._writer

    def _begin(self, size_bytes: int) -> uploads.ChunkWriter:
        """Makes the upload, where there is room for so many bytes (0: not known)."""
        limits = self._limits
        if size_bytes > limits.max_size_bytes:
            raise UploadTooLarge
        require_free(self._storage.scratch_folder, limits.min_free_bytes + size_bytes)
        # How many are fetched at once is a matter of the workers' slots.
        allowed = uploads.UploadLimits(uploads_at_once=sys.maxsize, stored_bytes=limits.stored_bytes)
        with self._database.write() as session:
            self._left_bytes = uploads.require_room(session, self._claim.user_id, allowed, size_bytes)
            upload = uploads.create(
                session,
                user_id=self._claim.user_id,
                name=self._claim.source_name,
                size_bytes=size_bytes or None,
                lifetime_s=limits.upload_lifetime_s,
            )
        self._upload_id = upload.id
        return uploads.ChunkWriter(
            self._database,
            self._storage,
            upload.id,
            max_size_bytes=limits.max_size_bytes,
            min_free_bytes=limits.min_free_bytes,
        )

    def _complete(self) -> None:
        assert self._writer is not None
        self._writer.close()
        with self._database.write() as session:
            if not uploads.complete(session, self._upload_id):
                raise UploadGone
            upload = uploads.find(session, self._upload_id, self._claim.user_id)
            if not lifecycle.attach_upload(session, self._claim, upload):
                raise UploadGone

    @property
    def _received_bytes(self) -> int:
        return 0 if self._writer is None else self._writer.received_bytes

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.abort()
            self._writer = None


def send(path: Path, url: str, media_type: str, limits: FetchLimits, should_stop: Callable[[], bool]) -> None:
    """Sends a file to a URL with PUT.

    Raises:
        UrlRefused: when the URL leads inside.
        Unreachable: when the server does not answer, or breaks off: worth another try.
        ResultRefused: when the server does not take it.
        Canceled: when the work has to stop.
    """
    for _ in range(_SENDS - 1):
        try:
            return _put(path, url, media_type, limits, should_stop)
        except Unreachable as error:
            log.warning("result_not_sent_yet", detail=error.detail)
            time.sleep(_PAUSE_S)
    return _put(path, url, media_type, limits, should_stop)


def _put(path: Path, url: str, media_type: str, limits: FetchLimits, should_stop: Callable[[], bool]) -> None:
    headers = {"Content-Type": media_type}
    with path.open("rb") as file:
        answer = put(
            url,
            file,
            path.stat().st_size,
            headers,
            guard=limits.guard,
            timeout_s=limits.time_limit_s,
            should_stop=should_stop,
        )
    if _is_passing(answer.status):
        raise Unreachable(f"The server of result_url answered with status {answer.status}.")
    if not 200 <= answer.status < 300:
        raise ResultRefused(f"The server of result_url answered with status {answer.status}; signed links expire.")


def _require_given(incoming: Incoming) -> None:
    """Raises where the answer is not the file, nor a part of it."""
    status = incoming.status
    if status in (200, 206):
        return
    # 416: the file has become shorter than what has come of it.
    if _is_passing(status) or status == 416:
        raise Unreachable(f"{incoming.target.host} answered with status {status}.")
    if status in (404, 410):
        raise SourceNotFound(f"{incoming.target.host} has no such file (status {status}).")
    raise SourceRefused(f"{incoming.target.host} does not give the file (status {status}); signed links expire.")


def _is_passing(status: int) -> bool:
    return status >= 500 or status in _PASSING


def _start_bytes(incoming: Incoming) -> int | None:
    """Returns where the part begins that came; None when it is the whole file."""
    if incoming.status != 206:
        return None
    match = _CONTENT_RANGE.fullmatch(incoming.headers.get("content-range", ""))
    return int(match[1]) if match else None


def _validator(incoming: Incoming) -> str | None:
    # A weak ETag does not say that the bytes are the same.
    etag = incoming.headers.get("etag", "")
    return etag if etag.startswith('"') else incoming.headers.get("last-modified")
