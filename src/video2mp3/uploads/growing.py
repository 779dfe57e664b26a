"""Reads an upload that is not complete yet: a read waits until the bytes are durable."""

import time
from collections.abc import Callable

from sqlalchemy import select

from video2mp3.database.connection import Database
from video2mp3.database.tables import Upload
from video2mp3.errors import Canceled, NotFound, UploadStalled
from video2mp3.storage import Storage
from video2mp3.uploads.source import UploadSource

STALLED_S = 30.0
"""After this long without a new byte, a waiting read ends with UploadStalled."""
_POLL_S = 0.1


class GrowingUploadSource(UploadSource):
    """The bytes of an upload that is still being received. Its size is the declared size."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        upload_id: str,
        should_stop: Callable[[], bool],
        *,
        stalled_s: float,
        least_bytes_per_s: float = 0,
    ) -> None:
        """Loads the list of chunks.

        Args:
            database: Holds the list of chunks.
            storage: Holds the chunks.
            upload_id: The upload, which may still grow.
            should_stop: Called while a read waits; True cancels the read.
            stalled_s: A waiting read ends after this many seconds without a new byte.
            least_bytes_per_s: A waiting read also ends if the throughput over `stalled_s` seconds is lower.

        Raises:
            NotFound: when there is no such upload.
            UploadStalled: when the client has not declared the size yet.
        """
        super().__init__(database, storage, upload_id)
        self._should_stop = should_stop
        self._stalled_s = stalled_s
        self._least_bytes_per_s = least_bytes_per_s
        self._waited_s = 0.0
        self._available_bytes = self._counted_from_bytes = self.size_bytes
        with database.read() as session:
            declared = session.execute(select(Upload.size_bytes).where(Upload.id == upload_id)).one_or_none()
        if declared is None or declared.size_bytes is None:
            raise UploadStalled
        self.size_bytes = declared.size_bytes
        self.growing = self._available_bytes < self.size_bytes

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Waits for `size_bytes` from `offset_bytes` and returns them; fewer only at the end.

        Raises:
            Canceled: when `should_stop` returned True.
            NotFound: when the upload or an object was deleted.
            StorageUnavailable, DatabaseUnavailable: when the storage or the database does not answer.
            UploadStalled: when no bytes, or too few, were received.
        """
        end_bytes = min(offset_bytes + size_bytes, self.size_bytes)
        if end_bytes > self._available_bytes:
            self._wait_for(end_bytes)
        return super().read_at(offset_bytes, size_bytes)

    def _wait_for(self, end_bytes: int) -> None:
        last_byte_s, seen_bytes = time.monotonic(), self._available_bytes
        while self._refresh() < end_bytes:
            if self._available_bytes > seen_bytes:
                last_byte_s, seen_bytes = time.monotonic(), self._available_bytes
            if self._should_stop():
                raise Canceled
            if time.monotonic() - last_byte_s > self._stalled_s:
                raise UploadStalled
            started_s = time.monotonic()
            time.sleep(_POLL_S)
            self._count(time.monotonic() - started_s)

    def _count(self, waited_s: float) -> None:
        """Adds waiting time. Raises UploadStalled when the throughput over the last `stalled_s` seconds is too low."""
        self._waited_s += waited_s
        if self._waited_s < self._stalled_s:
            return
        if self._refresh() - self._counted_from_bytes < self._least_bytes_per_s * self._waited_s:
            raise UploadStalled
        self._waited_s, self._counted_from_bytes = 0.0, self._available_bytes

    def _refresh(self) -> int:
        """Returns how many bytes are durable now."""
        with self._database.read() as session:
            received = session.execute(select(Upload.received_bytes).where(Upload.id == self._upload_id)).one_or_none()
            if received is None:
                raise NotFound("The upload was deleted.")
            if received.received_bytes > self._available_bytes:
                self._chunks = self._listed(session)
                self._available_bytes = received.received_bytes
        return self._available_bytes


def open_upload(
    database: Database, storage: Storage, upload_id: str, should_stop: Callable[[], bool], least_bytes_per_s: float = 0
) -> UploadSource:
    """Returns the source of an upload; for an incomplete one a `GrowingUploadSource`, which waits for bytes.

    Raises:
        NotFound: when there is no such upload.
        UploadStalled: when it is incomplete and its size is not known.
    """
    with database.read() as session:
        state = session.scalar(select(Upload.state).where(Upload.id == upload_id))
    if state == "open":
        return GrowingUploadSource(
            database, storage, upload_id, should_stop, stalled_s=STALLED_S, least_bytes_per_s=least_bytes_per_s
        )
    return UploadSource(database, storage, upload_id)
