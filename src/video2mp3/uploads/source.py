"""Reads an upload: its chunks as one file."""

from bisect import bisect_right
from collections.abc import Iterator

from sqlalchemy import select

from video2mp3.database.connection import Database
from video2mp3.database.tables import Upload, UploadChunk
from video2mp3.errors import NotFound
from video2mp3.storage import Storage

_PIECE_SIZE_BYTES = 256 * 1024


class UploadSource:
    """The bytes of an upload, as they were when this was made. Safe to use from several threads."""

    def __init__(self, database: Database, storage: Storage, upload_id: str) -> None:
        """Reads the list of chunks.

        Raises:
            NotFound: when there is no such upload.
        """
        with database.read() as session:
            upload = session.get(Upload, upload_id)
            if upload is None:
                raise NotFound("The upload is gone.")
            chunks = session.scalars(
                select(UploadChunk).where(UploadChunk.upload_id == upload_id).order_by(UploadChunk.offset_bytes)
            ).all()
        self.name = upload.name
        self.size_bytes = chunks[-1].offset_bytes + chunks[-1].size_bytes if chunks else 0
        self._storage = storage
        self._chunks = chunks
        self._offsets = [chunk.offset_bytes for chunk in chunks]

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns `size_bytes` from `offset_bytes`; fewer only at the end.

        Raises:
            NotFound: when an object is gone, or shorter than it was.
            StorageUnavailable: when the storage does not answer.
        """
        end_bytes = min(offset_bytes + size_bytes, self.size_bytes)
        parts = []
        while offset_bytes < end_bytes:
            parts.append(self._read_chunk(offset_bytes, end_bytes - offset_bytes))
            offset_bytes += len(parts[-1])
        return b"".join(parts)

    def stream(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yields the bytes from `start` up to `end` (exclusive; None: all) in pieces of at most 256 KiB."""
        end = self.size_bytes if end is None else min(end, self.size_bytes)
        while start < end:
            piece = self.read_at(start, min(_PIECE_SIZE_BYTES, end - start))
            start += len(piece)
            yield piece

    def _read_chunk(self, offset_bytes: int, size_bytes: int) -> bytes:
        chunk = self._chunks[bisect_right(self._offsets, offset_bytes) - 1]
        start = offset_bytes - chunk.offset_bytes
        wanted = min(size_bytes, chunk.size_bytes - start)
        data = self._storage.read(chunk.storage_key, start, wanted)
        if len(data) != wanted:
            raise NotFound("A part of the upload is gone.")
        return data
