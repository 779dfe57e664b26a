"""Reads the chunks of an upload as one file."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.database.tables import Upload, UploadChunk
from video2mp3.errors import NotFound
from video2mp3.storage import Storage
from video2mp3.storage.checksums import VerifiedObject, piece_size_bytes


def verified_object(chunk: UploadChunk) -> VerifiedObject:
    """Returns a chunk's object. Reads from it are verified by checksum."""
    return VerifiedObject(chunk.storage_key, chunk.size_bytes, chunk.checksums)


class UploadSource:
    """The bytes that an upload had when this source was created. Thread-safe."""

    def __init__(self, database: Database, storage: Storage, upload_id: str) -> None:
        """Loads the list of chunks.

        Raises:
            NotFound: when there is no such upload.
        """
        self._database = database
        self._storage = storage
        self._upload_id = upload_id
        with database.read() as session:
            upload = session.get(Upload, upload_id)
            if upload is None:
                raise NotFound("The upload was deleted.")
            self._chunks = self._listed(session)
        self.name = upload.name
        self.size_bytes = self._chunks[-1].offset_bytes + self._chunks[-1].size_bytes if self._chunks else 0

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns `size_bytes` from `offset_bytes`; fewer only at the end.

        Raises:
            NotFound: when an object was deleted.
            StoredDataDamaged: when an object's checksum does not match.
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
            within_bytes = start - self._chunk_at(start).offset_bytes
            piece = self.read_at(start, min(piece_size_bytes(within_bytes), end - start))
            start += len(piece)
            yield piece

    def _read_chunk(self, offset_bytes: int, size_bytes: int) -> bytes:
        chunk = self._chunk_at(offset_bytes)
        try:
            return self._read_object(chunk, offset_bytes, size_bytes)
        except NotFound:
            # While an upload continues, the writer merges small chunks into a larger one.
            with self._database.read() as session:
                self._chunks = self._listed(session)
            if not self._chunks or self._chunk_at(offset_bytes).storage_key == chunk.storage_key:
                raise
        return self._read_object(self._chunk_at(offset_bytes), offset_bytes, size_bytes)

    def _chunk_at(self, offset_bytes: int) -> UploadChunk:
        chunks = self._chunks
        return chunks[bisect_right(chunks, offset_bytes, key=lambda chunk: chunk.offset_bytes) - 1]

    def _read_object(self, chunk: UploadChunk, offset_bytes: int, size_bytes: int) -> bytes:
        return verified_object(chunk).read(self._storage, offset_bytes - chunk.offset_bytes, size_bytes)

    def _listed(self, session: Session) -> Sequence[UploadChunk]:
        mine = UploadChunk.upload_id == self._upload_id
        return session.scalars(select(UploadChunk).where(mine).order_by(UploadChunk.offset_bytes)).all()
