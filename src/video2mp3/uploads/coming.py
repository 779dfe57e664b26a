"""Reads an upload that still comes: a read waits until the bytes are durable."""

import time
from collections.abc import Callable

from sqlalchemy import select

from video2mp3.database.connection import Database
from video2mp3.database.tables import Upload
from video2mp3.errors import Canceled, NotFound, UploadStalled
from video2mp3.storage import Storage
from video2mp3.uploads.source import UploadSource

STALLED_S = 30.0
"""Nothing has come for this long: whoever waits gives it up for now."""
_POLL_S = 0.1


class ComingUpload(UploadSource):
    """The bytes of an upload, whether they are there yet or not. The size is the declared one."""

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
        """Reads what is there of it.

        Args:
            database: Has the list of chunks.
            storage: Has the chunks.
            upload_id: An upload, of which more may come.
            should_stop: Asked while a read waits; True ends it.
            stalled_s: A read that waits ends when nothing has come for so many seconds.
            least_bytes_per_s: Ends it, too, where less comes over so many seconds of waiting.

        Raises:
            NotFound: when there is no such upload.
            UploadStalled: when it has no size yet, so that its end cannot be known.
        """
        super().__init__(database, storage, upload_id)
        self._should_stop = should_stop
        self._stalled_s = stalled_s
        self._least_bytes_per_s = least_bytes_per_s
        self._waited_s = 0.0
        self._here_bytes = self._counted_from_bytes = self.size_bytes
        with database.read() as session:
            declared = session.execute(select(Upload.size_bytes).where(Upload.id == upload_id)).one_or_none()
        if declared is None or declared.size_bytes is None:
            raise UploadStalled
        self.size_bytes = declared.size_bytes
        self.growing = self._here_bytes < self.size_bytes

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Returns `size_bytes` from `offset_bytes`, when they are there; fewer only at the end.

        Raises:
            Canceled: when `should_stop` says so.
            NotFound: when the upload or an object is gone.
            StorageUnavailable, DatabaseUnavailable: when they do not answer.
            UploadStalled: when nothing has come for too long, or too little.
        """
        end_bytes = min(offset_bytes + size_bytes, self.size_bytes)
        if end_bytes > self._here_bytes:
            self._wait_for(end_bytes)
        return super().read_at(offset_bytes, size_bytes)

    def _wait_for(self, end_bytes: int) -> None:
        came_s, seen_bytes = time.monotonic(), self._here_bytes
        while self._look() < end_bytes:
            if self._here_bytes > seen_bytes:
                came_s, seen_bytes = time.monotonic(), self._here_bytes
            if self._should_stop():
                raise Canceled
            if time.monotonic() - came_s > self._stalled_s:
                raise UploadStalled
            began_s = time.monotonic()
            time.sleep(_POLL_S)
            self._count(time.monotonic() - began_s)

    def _count(self, waited_s: float) -> None:
        """Adds time that a read has waited. Raises UploadStalled when too little has come over the last of it."""
        self._waited_s += waited_s
        if self._waited_s < self._stalled_s:
            return
        if self._look() - self._counted_from_bytes < self._least_bytes_per_s * self._waited_s:
            raise UploadStalled
        self._waited_s, self._counted_from_bytes = 0.0, self._here_bytes

    def _look(self) -> int:
        """Returns how much is there now."""
        with self._database.read() as session:
            received = session.execute(select(Upload.received_bytes).where(Upload.id == self._upload_id)).one_or_none()
            if received is None:
                raise NotFound("The upload is gone.")
            if received.received_bytes > self._here_bytes:
                self._chunks = self._listed(session)
                self._here_bytes = received.received_bytes
        return self._here_bytes


def open_upload(
    database: Database,
    storage: Storage,
    upload_id: str,
    should_stop: Callable[[], bool],
    least_bytes_per_s: float = 0,
) -> UploadSource:
    """Returns the source of an upload; while it still comes, one that waits for its bytes (see `ComingUpload`).

    Raises:
        NotFound: when there is no such upload.
        UploadStalled: when it still comes, and nobody knows how much.
    """
    with database.read() as session:
        state = session.scalar(select(Upload.state).where(Upload.id == upload_id))
    if state == "open":
        return ComingUpload(
            database, storage, upload_id, should_stop, stalled_s=STALLED_S, least_bytes_per_s=least_bytes_per_s
        )
    return UploadSource(database, storage, upload_id)
