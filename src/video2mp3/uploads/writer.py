"""Writes an upload as chunks. Each chunk is durable before it is listed."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import structlog
from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.database.tables import UploadChunk
from video2mp3.errors import NotFound, StoredDataDamaged, Unavailable, UploadTooLarge, WrongOffset
from video2mp3.storage import Storage
from video2mp3.storage.checksums import Checksums
from video2mp3.storage.scratch import check_free_disk, write_error
from video2mp3.uploads import chunks
from video2mp3.uploads.source import verified_object

log = structlog.get_logger()

_PIECE_SIZE_BYTES = 256 * 1024


class ChunkWriter:
    """Takes an upload's bytes in order and stores them as chunks.

    A chunk is buffered in a scratch file, not in memory. Blocking; use a writer from one thread at a time.
    After an error, call only `discard` or `abort`.
    """

    def __init__(  # noqa: PLR0913 - where the bytes go, and four limits
        self,
        database: Database,
        storage: Storage,
        upload_id: str,
        offset_bytes: int = 0,
        *,
        max_size_bytes: int,
        min_free_disk_bytes: int = 0,
        chunk_size_bytes: int = chunks.CHUNK_SIZE_BYTES,
        on_listed: Callable[[Session], object] | None = None,
    ) -> None:
        """Starts at `offset_bytes`; rejects bytes beyond `max_size_bytes` of the whole upload.

        The writer rejects bytes that would leave fewer than `min_free_disk_bytes` free on the disk. It calls
        `on_listed` in the transaction that lists a chunk.
        """
        self.offset_bytes = offset_bytes
        """Bytes of the upload that are durable and listed."""
        self._database = database
        self._storage = storage
        self._upload_id = upload_id
        self._max_size_bytes = max_size_bytes
        self._min_free_disk_bytes = min_free_disk_bytes
        self._chunk_size_bytes = chunk_size_bytes
        self._on_listed = on_listed
        self._scratch: BinaryIO | None = None
        self._path = Path()
        self._gathered_bytes = 0
        self._checksums = Checksums()

    @property
    def received_bytes(self) -> int:
        """Bytes written so far, durable or not."""
        return self.offset_bytes + self._gathered_bytes

    def write(self, data: bytes) -> None:
        """Takes more bytes; each full chunk is stored and listed before this returns.

        Raises:
            UploadTooLarge: when the upload would exceed its size limit.
            StorageFull: when the disk has too little room.
            WrongOffset: when another writer committed first, or the upload was deleted.
        """
        if self.received_bytes + len(data) > self._max_size_bytes:
            raise UploadTooLarge(f"The file is larger than the {self._max_size_bytes} bytes that are accepted.")
        rest = memoryview(data)
        while rest:
            room = self._chunk_size_bytes - self._gathered_bytes
            self._gather(rest[:room])
            rest = rest[room:]
            if self._gathered_bytes == self._chunk_size_bytes:
                self._store()

    def close(self) -> None:
        """Stores and lists the last chunk, merged with small chunks before it. The upload stays open.

        Raises:
            StorageFull, WrongOffset: see `write`.
        """
        if self._gathered_bytes:
            self._store(self._merge_small_chunks())

    def discard(self) -> None:
        """Drops the bytes that are not durable yet. The upload and its chunks stay."""
        if self._scratch is not None:
            with suppress(OSError):
                self._scratch.close()
            self._path.unlink(missing_ok=True)
            self._scratch = None
        self._gathered_bytes = 0
        self._checksums = Checksums()

    def abort(self) -> None:
        """Deletes the whole upload: its row and its objects."""
        self.discard()
        try:
            with self._database.write() as session:
                keys = chunks.remove(session, self._upload_id)
            for key in keys:
                self._storage.delete(key)
        except Unavailable as error:
            # The row expires, and the sweeper deletes objects without a row.
            log.warning("upload_not_removed", upload_id=self._upload_id, error=error.code)

    def _gather(self, data: memoryview) -> None:
        # Checked before every piece, not every chunk, because the chunks of other requests grow meanwhile. So all
        # requests together exceed the limit by at most one piece (256 KiB) per thread. The check takes 2 µs.
        check_free_disk(self._storage.scratch_folder, self._min_free_disk_bytes + len(data))
        try:
            if self._scratch is None:
                self._path = self._storage.scratch_folder / f"chunk-{secrets.token_hex(16)}"
                self._scratch = self._path.open("xb")
            self._scratch.write(data)
        except OSError as error:
            raise write_error(error) from error
        self._gathered_bytes += len(data)
        self._checksums.update(data)

    def _merge_small_chunks(self) -> list[UploadChunk]:
        """Prepends the small chunks before this one to it, and returns them: the new chunk replaces them."""
        with self._database.read() as session:
            small = chunks.mergeable_chunks(
                session,
                self._upload_id,
                offset_bytes=self.offset_bytes,
                size_bytes=self._gathered_bytes,
                limit_bytes=min(self._chunk_size_bytes, chunks.CHUNK_SIZE_BYTES),
            )
        if not small:
            return []
        assert self._scratch is not None
        merged_bytes = self._gathered_bytes + sum(chunk.size_bytes for chunk in small)
        check_free_disk(self._storage.scratch_folder, self._min_free_disk_bytes + merged_bytes)
        merged = self._path.with_name(f"chunk-{secrets.token_hex(16)}")
        checksums, copied = Checksums(), Checksums()
        try:
            self._scratch.flush()
            with merged.open("xb") as file:
                for chunk in small:
                    for piece in self._pieces_of(chunk):
                        file.write(piece)
                        checksums.update(piece)
                with self._path.open("rb") as gathered:
                    while piece := gathered.read(_PIECE_SIZE_BYTES):
                        file.write(piece)
                        checksums.update(piece)
                        copied.update(piece)
            if copied.value() != self._checksums.value():
                raise StoredDataDamaged("The file was damaged in the scratch folder; send it again.")
            merged.replace(self._path)
            self._checksums = checksums
        except OSError as error:
            raise write_error(error) from error
        finally:
            merged.unlink(missing_ok=True)
        return small

    def _pieces_of(self, chunk: UploadChunk) -> Iterator[bytes]:
        try:
            yield from verified_object(chunk).stream(self._storage)
        except NotFound:
            # Another writer has just replaced it, so this writer's offset is outdated.
            raise WrongOffset from None

    def _store(self, replaced: Sequence[UploadChunk] = ()) -> None:
        assert self._scratch is not None
        try:
            self._scratch.close()
        except OSError as error:
            raise write_error(error) from error
        start_bytes = replaced[0].offset_bytes if replaced else self.offset_bytes
        key = f"uploads/{self._upload_id}/{start_bytes}-{secrets.token_hex(8)}"
        self._storage.put_file(key, self._path)
        size_bytes, checksums = self._gathered_bytes, self._checksums.value()
        self._scratch, self._gathered_bytes, self._checksums = None, 0, Checksums()
        self._list(key, size_bytes, checksums, replaced)
        self.offset_bytes += size_bytes

    def _list(self, key: str, size_bytes: int, checksums: bytes, replaced: Sequence[UploadChunk]) -> None:
        try:
            with self._database.write() as session:
                listed = chunks.append_chunk(
                    session,
                    self._upload_id,
                    offset_bytes=self.offset_bytes,
                    size_bytes=size_bytes,
                    storage_key=key,
                    checksums=checksums,
                    replaced=replaced,
                )
                if listed and self._on_listed is not None:
                    self._on_listed(session)
        except UploadTooLarge:
            self._storage.delete(key)
            raise
        # If the database connection was lost, the commit may have succeeded: the sweeper decides about the object.
        if not listed:
            self._storage.delete(key)
            raise WrongOffset
        self._delete_replaced(replaced)

    def _delete_replaced(self, replaced: Sequence[UploadChunk]) -> None:
        try:
            for chunk in replaced:
                self._storage.delete(chunk.storage_key)
        except Unavailable as error:
            # The sweeper deletes objects without a row.
            log.warning("chunks_not_deleted", upload_id=self._upload_id, error=error.code)
