"""A file on its way in."""

import hashlib

from video2mp3.api.services import Services
from video2mp3.database.tables import Upload
from video2mp3.errors import MissingFile, UploadIncomplete
from video2mp3.jobs import lifecycle
from video2mp3.uploads import ChunkWriter, complete, create, find


class IncomingUpload:
    """Stores a file as it comes. Blocking. Nothing is stored before its first byte."""

    def __init__(
        self,
        services: Services,
        user_id: str,
        *,
        name: str = "",
        declared_size_bytes: int | None = None,
        with_sha256: bool = False,
    ) -> None:
        """`name` may be set until the first byte comes; hashing is asked for, because it costs time."""
        self.name = name
        self.size_bytes = 0
        self._services = services
        self._user_id = user_id
        self._declared_size_bytes = declared_size_bytes
        self._upload_id = ""
        self._writer: ChunkWriter | None = None
        self._sha256 = hashlib.sha256() if with_sha256 else None

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of the bytes so far, where it was asked for."""
        return self._sha256.hexdigest() if self._sha256 else None

    def write(self, data: bytes) -> None:
        """Takes the next bytes; raises what `ChunkWriter.write` raises."""
        if not data:
            return
        if self._writer is None:
            self._writer = self._begin()
        self._writer.write(data)
        self.size_bytes += len(data)
        if self._sha256 is not None:
            self._sha256.update(data)

    def finish(self) -> Upload:
        """Makes the last bytes durable and closes the upload.

        Raises:
            MissingFile: when no byte came.
            UploadIncomplete: when fewer bytes came than were declared.
        """
        if self._writer is None:
            raise MissingFile
        self._writer.close()
        with self._services.database.write() as session:
            if not complete(session, self._upload_id):
                raise UploadIncomplete
            lifecycle.upload_completed(session, self._upload_id)
            return find(session, self._upload_id, self._user_id)

    def abort(self) -> None:
        """Removes all that was stored."""
        if self._writer is not None:
            self._writer.abort()

    def _begin(self) -> ChunkWriter:
        settings = self._services.settings
        with self._services.database.write() as session:
            upload = create(
                session,
                user_id=self._user_id,
                name=self.name,
                size_bytes=self._declared_size_bytes,
                lifetime_s=settings.upload_lifetime_s,
            )
        self._upload_id = upload.id
        return ChunkWriter(
            self._services.database,
            self._services.storage,
            upload.id,
            max_size_bytes=settings.max_upload_bytes,
        )
