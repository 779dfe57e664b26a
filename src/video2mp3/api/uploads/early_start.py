"""Starts conversions during their upload, so that both end at about the same time."""

import time

import structlog

from video2mp3.api.frame.services import Services
from video2mp3.database.connection import Database
from video2mp3.database.tables import Upload
from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.parent.estimate import time_s
from video2mp3.errors import Video2mp3Error
from video2mp3.jobs import early, lifecycle
from video2mp3.uploads import UploadSource

log = structlog.get_logger()

_MARGIN = 1.5
"""Factor of the estimated duration: an early conversion waits for bytes, a late one delays the result."""
_START_S = 2.0
_LEAST_BITRATE_BPS = 500_000
"""For a video of unknown duration: low, because starting too early is better than too late."""


class EarlyStart:
    """Checks after each chunk of a request whether a conversion of the upload should start. Blocking."""

    def __init__(self, services: Services, upload: Upload) -> None:
        self._services = services
        self._upload_id = upload.id
        self._user_id = upload.user_id
        self._size_bytes = upload.size_bytes
        self._began_bytes = upload.received_bytes
        self._began_s = time.monotonic()
        self._seen_bytes = 0

    def consider(self, here_bytes: int) -> bool:
        """Call this often; `here_bytes` are durable. Returns whether there are more than before.

        Raises no Video2mp3Error: the upload continues in any case.
        """
        if here_bytes == self._seen_bytes:
            return False
        self._seen_bytes = here_bytes
        if self._size_bytes is None or here_bytes >= self._size_bytes:
            return True
        try:
            self._consider(self._services.database, here_bytes, self._size_bytes)
        except Video2mp3Error as error:
            log.warning("early_start_check_failed", upload_id=self._upload_id, error=error.code)
        return True

    def _consider(self, database: Database, here_bytes: int, size_bytes: int) -> None:
        with database.read() as session:
            waiting = early.candidates(session, self._upload_id)
        if not waiting:
            return
        info = self._services.inspections.find(
            self._upload_id,
            self._user_id,
            here_bytes,
            size_bytes,
            lambda: UploadSource(database, self._services.storage, self._upload_id),
        )
        if info is None:
            return
        if info.blocked_reason:
            with database.write() as session:
                early.wait_for_end(session, self._upload_id, info.blocked_reason)
            return
        duration_s = info.duration_s or size_bytes * 8 / _LEAST_BITRATE_BPS
        needed_s = max(time_s(options, available_cpus(), duration_s) for options in waiting)
        speed_bps = (here_bytes - self._began_bytes) / max(1e-3, time.monotonic() - self._began_s)
        if (size_bytes - here_bytes) / max(1.0, speed_bps) > _MARGIN * needed_s + _START_S:
            return
        with database.write() as session:
            started = lifecycle.start_early(session, self._upload_id)
        if started:
            log.info("conversion_starts_early", upload_id=self._upload_id, here_bytes=here_bytes, size_bytes=size_bytes)
            self._services.wake()
