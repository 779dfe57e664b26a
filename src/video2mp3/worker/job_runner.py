"""Runs one conversion, from the claimed lease to the end of the job."""

import secrets
import time
from dataclasses import replace
from pathlib import Path

import structlog

from video2mp3.database.connection import Database
from video2mp3.engine import Limits, Report, ResolvedOptions, Waveform, convert
from video2mp3.errors import (
    Canceled,
    EngineError,
    NotFound,
    ResultCheckFailed,
    StorageUnavailable,
    Unavailable,
    UploadDamaged,
    UploadDeleted,
    UploadStalled,
    Video2mp3Error,
)
from video2mp3.jobs import lifecycle
from video2mp3.jobs.results import result_suffix, segment_names, stored_attributes
from video2mp3.storage import Storage
from video2mp3.storage.checksums import checksums_of_file
from video2mp3.storage.scratch import check_free_disk
from video2mp3.telemetry import metrics
from video2mp3.uploads import UploadSource, open_upload
from video2mp3.worker.archive import archive
from video2mp3.worker.leases import Lease
from video2mp3.worker.outcome import Outcome
from video2mp3.worker.stages import EngineStages, stage

log = structlog.get_logger()

_STORE_PATIENCE_S = 60.0
_STORE_PAUSE_S = 2.0


class JobRunner:
    """Converts the job of one lease and records the outcome."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        lease: Lease,
        *,
        limits: Limits,
        min_free_disk_bytes: int,
        least_bytes_per_s: float,
        result_retention_s: int,
    ) -> None:
        """The work starts with `run`."""
        self._database = database
        self._storage = storage
        self._lease = lease
        self._claim = lease.claim
        self._limits = limits
        self._least_bytes_per_s = least_bytes_per_s
        self._min_free_disk_bytes = min_free_disk_bytes
        self._result_retention_s = result_retention_s
        self._key = f"results/{self._claim.job_id}/{self._claim.fence}{result_suffix(self._claim.options)}"
        self._log = log.bind(job_id=self._claim.job_id, fence=self._claim.fence)
        self._outcome = Outcome(database, lease, self._log)

    def run(self) -> None:
        """Converts. Errors of the job, its media or an outage are recorded, not raised."""
        started_s = time.monotonic()
        path = self._storage.scratch_folder / f"result-{secrets.token_hex(16)}"
        try:
            with stage("convert"):
                report = self._convert(path)
            if self._claim.options.makes_segments:
                with stage("archive"):
                    report = self._archive(path, report)
            checksums = self._checksums(path, report)
            with stage("store"):
                self._store(path)
            with stage("finish"):
                finished = self._finish(report, checksums)
            if finished:
                _count(report)
                self._log.info(
                    "job_converted" if self._claim.result_url else "job_finished",
                    audio_s=round(report.duration_s, 3),
                    size_bytes=report.size_bytes,
                    took_s=round(time.monotonic() - started_s, 3),
                )
        except Canceled:
            self._outcome.record_stop()
        except UploadStalled:
            self._log.info("conversion_waits_for_upload")
            self._outcome.record(lambda session: lifecycle.wait_again(session, self._claim))
        except Video2mp3Error as error:
            self._outcome.record_failure(error)
        except Exception:
            self._log.exception("conversion_crashed")
            self._outcome.record_failure(EngineError())
        finally:
            path.unlink(missing_ok=True)

    def _convert(self, path: Path) -> Report:
        options = replace(self._claim.options, cover_picture=self._cover())
        source = self._open_source()
        try:
            sink = path.open("xb+")
        except OSError as error:
            raise StorageUnavailable(f"The scratch folder cannot be written to: {error.strerror}.") from error
        with sink, EngineStages() as stages:
            try:
                report = convert(
                    source,
                    sink,
                    options,
                    on_progress=self._lease.record_progress,
                    on_stage=stages.begin,
                    should_stop=self._should_stop,
                    limits=self._limits,
                )
            except NotFound as error:
                # Either the owner deleted the upload meanwhile, or the storage lost durable data.
                self._open_source()
                raise UploadDamaged from error
        if path.stat().st_size != report.size_bytes:
            raise ResultCheckFailed
        metrics.SOURCE_BYTES.inc(source.size_bytes)
        return report

    def _check_free_disk(self, size_bytes: int = 0) -> None:
        """Raises StorageFull if the disk has no room for `size_bytes` more.

        Results may use half of the space that uploads leave free, so uploads alone cannot block conversions.
        """
        check_free_disk(self._storage.scratch_folder, self._min_free_disk_bytes // 2 + size_bytes)

    def _should_stop(self) -> bool:
        self._check_free_disk()
        return self._lease.should_stop()

    def _archive(self, path: Path, report: Report) -> Report:
        """Replaces the file of MP3s by a ZIP of them."""
        self._check_free_disk(report.size_bytes)
        names = segment_names(
            self._claim.source_name, self._claim.options, [segment.track for segment in report.segments]
        )
        archived = path.with_suffix(".zip")
        try:
            report = archive(path, report, names, archived)
            archived.replace(path)
        finally:
            archived.unlink(missing_ok=True)
        return report

    def _cover(self) -> bytes | None:
        """Returns the uploaded cover picture, if there is one."""
        if self._claim.cover_upload_id is None:
            return None
        picture = self._open(self._claim.cover_upload_id)
        try:
            return picture.read_at(0, picture.size_bytes)  # the API has checked its size
        except NotFound as error:
            self._open(self._claim.cover_upload_id)
            raise UploadDamaged from error

    def _open_source(self) -> UploadSource:
        return self._open(self._claim.upload_id)

    def _open(self, upload_id: str | None) -> UploadSource:
        if upload_id is None:
            raise UploadDeleted
        try:
            return open_upload(
                self._database, self._storage, upload_id, self._lease.should_stop, self._least_bytes_per_s
            )
        except NotFound as error:
            raise UploadDeleted from error

    def _store(self, path: Path) -> None:
        """Stores the result, with retries: a short outage must not cost an hour of work."""
        deadline_s = time.monotonic() + _STORE_PATIENCE_S
        attributes = stored_attributes(self._claim.source_name, self._claim.options)
        while not self._lease.should_stop():
            try:
                self._storage.put_file(self._key, path, attributes)
            except StorageUnavailable as error:
                if time.monotonic() > deadline_s:
                    raise
                self._log.warning("result_store_retried", detail=error.detail)
                time.sleep(_STORE_PAUSE_S)
            else:
                return
        raise Canceled

    def _checksums(self, path: Path, report: Report) -> bytes:
        """Returns the checksums of the result's blocks.

        Raises ResultCheckFailed if the file is not the one that the engine verified.
        """
        checksums, sha256 = checksums_of_file(path)
        if sha256 != report.sha256:
            raise ResultCheckFailed
        return checksums

    def _finish(self, report: Report, checksums: bytes) -> bool:
        fetched_bytes = self._claim.fetched_bytes
        result = lifecycle.NewResult(
            key=self._key,
            sha256=report.sha256,
            checksums=checksums,
            size_bytes=report.size_bytes,
            duration_s=report.duration_s,
            report=report.as_dict() | ({} if fetched_bytes is None else {"fetched_bytes": fetched_bytes}),
            source_duration_s=_source_duration_s(report),
            waveforms=_waveforms(report, self._claim.options),
        )
        finished = self._outcome.record(
            lambda session: lifecycle.finish(session, self._claim, result, retention_s=self._result_retention_s)
        )
        if finished is None:
            # The commit may have succeeded: the sweeper decides about the object.
            return False
        if not finished:
            self._log.info("result_discarded")
            self._delete_own_object()
        return finished

    def _delete_own_object(self) -> None:
        try:
            self._storage.delete(self._key)
        except Unavailable as error:
            self._log.warning("result_not_deleted", error=error.code)


def _source_duration_s(report: Report) -> float | None:
    """Returns the duration of the source's audio: as its container says, else as it was decoded."""
    known_s = [track.duration_s for track in report.tracks if track.duration_s is not None]
    return max(known_s) if known_s else report.samples_in / report.sample_rate_hz


def _waveforms(report: Report, options: ResolvedOptions) -> dict[int, Waveform]:
    """Returns the waveforms by segment number; number 0 means that the result is one MP3."""
    first = 1 if options.makes_segments else 0
    return {
        number: segment.waveform
        for number, segment in enumerate(report.segments, first)
        if segment.waveform is not None
    }


def _count(report: Report) -> None:
    metrics.AUDIO_S.inc(report.duration_s)
    metrics.RESULT_BYTES.inc(report.size_bytes)
    for name, duration_s in (("decode", report.decode_s), ("encode", report.encode_s)):
        metrics.STAGE_DURATION_S.labels(name).observe(duration_s)
