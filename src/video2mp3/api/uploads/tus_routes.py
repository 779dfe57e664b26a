"""Uploads that resume: the requests of the tus protocol (its headers: `tus`).

Nothing is locked: of two requests that write at one offset, the one whose chunk is listed first continues. So a process
that died, or a connection that hangs, blocks no other request.
"""

import asyncio
from email.utils import format_datetime

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from video2mp3 import uploads
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.fairness.transfers import run_transfer
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.schemas import moment
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.streaming import declared_size_bytes, feed, finally_in_thread
from video2mp3.api.uploads import tus
from video2mp3.api.uploads.early_start import EarlyStart
from video2mp3.api.uploads.incoming import begin_upload, upload_limits
from video2mp3.database.statements import lock_user
from video2mp3.database.tables import Upload
from video2mp3.errors import (
    InvalidUploadHeader,
    QuotaExceeded,
    UnsupportedMediaType,
    UploadIncomplete,
    UploadTooLarge,
    Video2mp3Error,
    WrongOffset,
)
from video2mp3.jobs import lifecycle
from video2mp3.storage.scratch import check_free_disk
from video2mp3.uploads import CHUNK_SIZE_BYTES, ChunkWriter

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])
log = structlog.get_logger()

_BYTES = {"type": "integer", "minimum": 0, "maximum": tus.MAX_NUMBER}
_BODY = {
    "requestBody": {"content": {tus.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    "parameters": [
        {"name": name, "in": "header", "required": required, "schema": schema}
        for name, required, schema in (
            ("Tus-Resumable", True, {"type": "string", "enum": [tus.VERSION]}),
            ("Upload-Offset", True, _BYTES),
            ("Upload-Length", False, _BYTES),
            ("Upload-Checksum", False, {"type": "string"}),
        )
    ],
}


async def create_resumable(request: Request, services: Services, user_id: str) -> Response:
    """Starts an upload with the bytes of the body, if any; on any error nothing stays stored."""
    tus.require_single(request)
    length = _declared_length(request, services)
    metadata = request.headers.get("upload-metadata", "")
    name = tus.name_in_metadata(metadata)
    has_body = _content_type(request) == tus.MEDIA_TYPE
    size_bytes = declared_size_bytes(request, services.settings.max_upload_bytes) if has_body else 0
    if not has_body and request.headers.get("content-length", "0") != "0":
        raise UnsupportedMediaType(f"Send the first bytes as {tus.MEDIA_TYPE}, or none.")
    _require_within(length, size_bytes or 0)
    checksum = tus.checksum_of(request) if has_body else None
    upload, left_bytes = await run_in_threadpool(
        begin_upload, services, user_id, name=name, size_bytes=length, tus_metadata=metadata or None
    )
    appended = AppendedBytes(services, upload, left_bytes, checksum)
    try:
        if has_body:
            await feed(request, appended)
        upload = await run_transfer(appended.finish)
    except BaseException:
        # The client never learns its address.
        await finally_in_thread(appended.abort)
        raise
    headers = _headers(upload)
    headers["Location"] = f"{request.scope.get('root_path', '')}/v1/uploads/{upload.id}"
    return Response(status_code=201, headers=headers)


@router.head("/{upload_id}", response_class=Response, include_in_schema=False)
def read_offset(upload_id: ItemId, user: CurrentUser, services: CurrentServices) -> Response:
    """Returns in headers how much of an upload is stored."""
    with services.database.read() as session:
        upload = uploads.find(session, upload_id, user.user_id)
        uploads.require_unexpired(session, upload)
    headers = {**_headers(upload), "Cache-Control": "no-store"}
    if upload.size_bytes is None:
        headers["Upload-Defer-Length"] = "1"
    else:
        headers["Upload-Length"] = str(upload.size_bytes)
    if upload.tus_metadata:
        headers["Upload-Metadata"] = upload.tus_metadata
    return Response(headers=headers)


@router.patch("/{upload_id}", status_code=204, response_class=Response, openapi_extra=_BODY)
async def append_to_upload(
    request: Request, upload_id: ItemId, user: CurrentUser, services: CurrentServices
) -> Response:
    """Continues an upload at the offset that HEAD returns (tus protocol 1.0).

    If the connection drops, the bytes received so far are kept, unless they have to match a checksum.
    """
    if _content_type(request) != tus.MEDIA_TYPE:
        raise UnsupportedMediaType(f"Send the bytes as {tus.MEDIA_TYPE}.")
    offset_bytes = tus.number(request, "Upload-Offset")
    if offset_bytes is None:
        raise InvalidUploadHeader("Upload-Offset is missing.")
    length = _validate_length(request, services)
    size_bytes = declared_size_bytes(request, services.settings.max_upload_bytes)
    checksum = tus.checksum_of(request)
    upload, left_bytes = await run_in_threadpool(
        _resume, services, user.user_id, upload_id, offset_bytes, length, size_bytes or 0
    )
    appended = AppendedBytes(services, upload, left_bytes, checksum)
    try:
        await feed(request, appended)
        upload = await run_transfer(appended.finish)
    except BaseException as error:
        cut = isinstance(error, (UploadIncomplete, asyncio.CancelledError))
        await finally_in_thread(appended.keep if cut else appended.discard)
        raise
    return Response(status_code=204, headers=_headers(upload))


class AppendedBytes:
    """Appends the bytes of one request to an upload. Blocking."""

    def __init__(self, services: Services, upload: Upload, left_bytes: int, checksum: tus.Checksum | None) -> None:
        """Goes on at the upload's offset; the whole upload gets no larger than `left_bytes`."""
        self._services = services
        self._upload = upload
        self._left_bytes = left_bytes
        self._checksum = checksum
        settings = services.settings
        self._early_start = EarlyStart(services, upload)
        self._max_size_bytes = settings.max_upload_bytes if upload.size_bytes is None else upload.size_bytes
        self._writer = ChunkWriter(
            services.database,
            services.storage,
            upload.id,
            upload.received_bytes,
            max_size_bytes=self._max_size_bytes,
            min_free_disk_bytes=settings.min_free_disk_bytes,
            # With a checksum, nothing is listed before all bytes are verified: they are one chunk, which is never full.
            chunk_size_bytes=CHUNK_SIZE_BYTES if checksum is None else self._max_size_bytes + 1,
            on_listed=self._complete,
        )

    def write(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            UploadTooLarge: when they are more than the upload's length.
            QuotaExceeded: when the user has no room left.
            StorageFull, WrongOffset: see `ChunkWriter.write`.
        """
        end_bytes = self._writer.received_bytes + len(data)
        _require_within(self._max_size_bytes, end_bytes)
        if end_bytes > self._left_bytes:
            raise QuotaExceeded
        if self._checksum is not None:
            self._checksum.update(data)
        self._writer.write(data)
        self._early_start.consider(self._writer.offset_bytes)

    def finish(self) -> Upload:
        """Makes the last bytes durable; where they are the upload's last, queues what waits for them.

        Returns the upload as it is now.

        Raises:
            ChecksumMismatch: when other bytes came than were meant; none of them is kept.
        """
        if self._checksum is not None:
            self._checksum.check()
        self._writer.close()
        with self._services.database.write() as session:
            self._complete(session)  # the request had no bytes and only declared the length
            upload = uploads.find(session, self._upload.id, self._upload.user_id)
        if upload.state == "complete":
            self._services.wake()
        else:
            self._early_start.consider(upload.received_bytes)
        return upload

    def keep(self) -> None:
        """Keeps the received bytes of an aborted request, unless they have a checksum. Raises no Video2mp3Error."""
        try:
            if self._checksum is None:
                self._writer.close()
        except Video2mp3Error as error:
            log.info("aborted_upload_not_kept", upload_id=self._upload.id, error=error.code)
        self._writer.discard()

    def discard(self) -> None:
        """Discards bytes that are not durable yet."""
        self._writer.discard()

    def abort(self) -> None:
        """Deletes the whole upload."""
        self._writer.abort()

    def _complete(self, session: Session) -> None:
        # With the last chunk, in one transaction: a process that dies in between would leave a whole upload open.
        if uploads.complete_when_whole(session, self._upload.id):
            lifecycle.upload_completed(session, self._upload.id)


def _resume(
    services: Services, user_id: str, upload_id: str, offset_bytes: int, length: int | None, size_bytes: int
) -> tuple[Upload, int]:
    """Checks whether the bytes may be appended at the offset; returns the upload and its maximum size. Blocking."""
    check_free_disk(
        services.storage.scratch_folder, services.settings.min_free_disk_bytes + min(size_bytes, CHUNK_SIZE_BYTES)
    )
    with services.database.write() as session:
        lock_user(session, user_id)
        uploads.require_unexpired(session, uploads.find(session, upload_id, user_id, lock=True))
        if length is not None and not uploads.declare_size(session, upload_id, length):
            raise InvalidUploadHeader("Upload-Length: the upload has another length, or more of it has come.")
        upload = uploads.find(session, upload_id, user_id)
        if upload.received_bytes != offset_bytes:
            raise WrongOffset(f"The upload continues at offset {upload.received_bytes}, not at {offset_bytes}.")
        end_bytes = offset_bytes + size_bytes
        _require_within(upload.size_bytes, end_bytes)
        if upload.state == "complete":
            return upload, upload.received_bytes
        wanted_bytes = end_bytes if upload.size_bytes is None else upload.size_bytes
        left_bytes = uploads.check_storage_quota(
            session, user_id, upload_limits(services), wanted_bytes, resumed_id=upload_id
        )
        uploads.touch(session, upload_id)
        uploads.extend_lifetime(session, upload_id, services.settings.upload_retention_s)
    return upload, left_bytes


def _declared_length(request: Request, services: Services) -> int | None:
    length, deferred = _validate_length(request, services), request.headers.get("upload-defer-length")
    if deferred not in (None, "1"):
        raise InvalidUploadHeader("Upload-Defer-Length can only be 1.")
    if (length is None) == (deferred is None):
        raise InvalidUploadHeader("Send either Upload-Length or Upload-Defer-Length.")
    return length


def _validate_length(request: Request, services: Services) -> int | None:
    length = tus.number(request, "Upload-Length")
    if length is not None and length > services.settings.max_upload_bytes:
        raise UploadTooLarge
    return length


def _require_within(length: int | None, end_bytes: int) -> None:
    if length is not None and end_bytes > length:
        raise UploadTooLarge(f"That is more than the {length} bytes of the upload.")


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _headers(upload: Upload) -> dict[str, str]:
    headers = {"Upload-Offset": str(upload.received_bytes)}
    if upload.state == "open":
        headers["Upload-Expires"] = format_datetime(moment(upload.expires_at), usegmt=True)
    return headers
