"""A file on its way in."""

import hashlib
from typing import Protocol

from video2mp3.api.frame.services import Services
from video2mp3.database.tables import Upload
from video2mp3.errors import EmptyFile, QuotaExceeded, UploadIncomplete, UploadTooLarge
from video2mp3.jobs import lifecycle
from video2mp3.storage.scratch import check_free_disk
from video2mp3.uploads import ChunkWriter, UploadLimits, check_storage_quota, complete, create, find


class UploadObserver(Protocol):
    """Observes an upload while it is received. All methods may block."""

    def on_start(self, upload: Upload) -> None:
        """The upload was created; an error ends it."""

    def on_progress(self, here_bytes: int) -> None:
        """More bytes are durable; an error ends the upload."""

    def on_abort(self) -> None:
        """The upload will be deleted."""


class IncomingUpload:
    """Stores a file while it is received. Blocking. Stores nothing before the first byte, or if a limit is reached."""

    def __init__(
        self,
        services: Services,
        user_id: str,
        *,
        name: str = "",
        declared_size_bytes: int | None = None,
        least_size_bytes: int = 0,
        with_sha256: bool = False,
        observer: "UploadObserver | None" = None,
    ) -> None:
        """`name` may be set until the first byte arrives; hashing is optional, because it costs time.

        `least_size_bytes` is a lower bound if the size is not declared. The `observer` is notified of each step.
        """
        self.name = name
        self.size_bytes = 0
        self._services = services
        self._user_id = user_id
        self._declared_size_bytes = declared_size_bytes
        self._least_size_bytes = declared_size_bytes or least_size_bytes
        self._upload_id = ""
        self._writer: ChunkWriter | None = None
        self._left_bytes = 0
        self._sha256 = hashlib.sha256() if with_sha256 else None
        self._observer = observer

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the bytes so far, if hashing is on."""
        return self._sha256.hexdigest() if self._sha256 else None

    def write(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            TooManyUploads: when the user has too many concurrent uploads.
            QuotaExceeded: when the user's quota is exhausted.
            StorageFull, UploadTooLarge, Conflict: see `ChunkWriter.write`.
        """
        if not data:
            return
        if self._writer is None:
            self._writer = self._begin()
        if self._writer.received_bytes + len(data) > self._left_bytes:
            raise QuotaExceeded
        self._writer.write(data)
        if self._observer is not None:
            self._observer.on_progress(self._writer.offset_bytes)
        self.size_bytes += len(data)
        if self._sha256 is not None:
            self._sha256.update(data)

    def finish(self) -> Upload:
        """Makes the last bytes durable and closes the upload.

        Raises:
            EmptyFile: when no byte was received.
            UploadIncomplete: when fewer bytes were received than declared.
        """
        if self._writer is None:
            raise EmptyFile
        self._writer.close()
        with self._services.database.write() as session:
            if not complete(session, self._upload_id):
                raise UploadIncomplete
            lifecycle.upload_completed(session, self._upload_id)
            return find(session, self._upload_id, self._user_id)

    def abort(self) -> None:
        """Removes all that was stored."""
        if self._observer is not None:
            self._observer.on_abort()
        if self._writer is not None:
            self._writer.abort()

    def _begin(self) -> ChunkWriter:
        upload, self._left_bytes = begin_upload(
            self._services,
            self._user_id,
            name=self.name,
            size_bytes=self._declared_size_bytes,
            least_size_bytes=self._least_size_bytes,
        )
        self._upload_id = upload.id
        writer = ChunkWriter(
            self._services.database,
            self._services.storage,
            upload.id,
            max_size_bytes=self._services.settings.max_upload_bytes,
            min_free_disk_bytes=self._services.settings.min_free_disk_bytes,
        )
        if self._observer is not None:
            try:
                self._observer.on_start(upload)
            except BaseException:
                writer.abort()
                raise
        return writer


def begin_upload(
    services: Services,
    user_id: str,
    *,
    name: str,
    size_bytes: int | None,
    least_size_bytes: int = 0,
    tus_metadata: str | None = None,
) -> tuple[Upload, int]:
    """Creates an upload within the quotas; returns it, and the bytes that remain of the user's quota. Blocking.

    Raises:
        TooManyUploads: when the user has too many concurrent uploads.
        QuotaExceeded: when the bytes would exceed the user's quota.
        StorageFull: when the service's disk is full.
    """
    settings = services.settings
    least_size_bytes = size_bytes or least_size_bytes
    check_free_disk(services.storage.scratch_folder, settings.min_free_disk_bytes + least_size_bytes)
    with services.database.write() as session:
        left_bytes = check_storage_quota(session, user_id, upload_limits(services), least_size_bytes)
        upload = create(
            session,
            user_id=user_id,
            name=name,
            size_bytes=size_bytes,
            lifetime_s=settings.upload_retention_s,
            tus_metadata=tus_metadata,
        )
    return upload, left_bytes


def upload_limits(services: Services) -> UploadLimits:
    """Returns the limits for one user's uploads."""
    return UploadLimits(services.settings.max_user_uploads, services.settings.max_user_bytes)


class RepeatedUpload:
    """A file that an earlier request with the same Idempotency-Key has stored: only its hash is compared."""

    def __init__(self, max_size_bytes: int) -> None:
        self.name = ""
        self._size_bytes = 0
        self._max_size_bytes = max_size_bytes
        self._sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Takes the next bytes.

        Raises:
            UploadTooLarge: when it is larger than any stored file.
        """
        self._size_bytes += len(data)
        if self._size_bytes > self._max_size_bytes:
            raise UploadTooLarge(f"The file exceeds the limit of {self._max_size_bytes} bytes.")
        self._sha256.update(data)

    def finish(self) -> str:
        """Returns the SHA-256; raises EmptyFile when no byte was received."""
        if not self._size_bytes:
            raise EmptyFile
        return self._sha256.hexdigest()

    def abort(self) -> None:
        """Does nothing: no bytes were stored."""
