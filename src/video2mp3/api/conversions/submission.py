"""Submits jobs: the steps that all routes with conversions share."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3 import uploads
from video2mp3.api.frame.services import Services
from video2mp3.database.statements import lock_user
from video2mp3.database.tables import Job, Upload
from video2mp3.engine.options import MAX_COVER_BYTES, ResolvedOptions
from video2mp3.errors import Forbidden, InvalidOption, InvalidRequest
from video2mp3.jobs import lifecycle, limits
from video2mp3.jobs.lifecycle import Priority
from video2mp3.jobs.sources import RemoteSource
from video2mp3.outbox.webhooks import Receiver
from video2mp3.storage.scratch import check_free_disk

log = structlog.get_logger()


@dataclass(frozen=True)
class JobSpec:
    """What a job does with its source, whichever route requested it."""

    options: ResolvedOptions
    tag: str | None = None
    priority: Priority = "normal"
    cover_upload_id: str | None = None
    result_url: str | None = None
    """Where the result is sent to."""
    email_notifications: bool = True
    webhook: Receiver | None = None

    def sha256(self, *source: str | None) -> str:
        """Returns a fingerprint of the request, to recognize another one with the same Idempotency-Key."""
        webhook = (self.webhook.url, self.webhook.secret) if self.webhook else None
        wishes = (
            self.options.as_json(),
            self.tag,
            self.priority,
            self.cover_upload_id,
            self.result_url,
            self.email_notifications,
            webhook,
        )
        parts = (*source, *wishes)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def validate_priority(priority: str, role: str) -> Priority:
    """Returns the priority that a user of that role asks for.

    Raises:
        InvalidRequest: when there is no such priority.
        Forbidden: for `high`, which is for administrators.
    """
    if priority == "high" and role != "admin":
        raise Forbidden("The priority `high` is for administrators.")
    for known in lifecycle.PRIORITIES:
        if priority == known:
            return known
    raise InvalidRequest("priority: low, normal or high.")


def check_quotas(services: Services, user_id: str, idempotency_key: str | None = None) -> Job | None:
    """Checks quotas before the body is read; blocking.

    Returns the job that an earlier request with this key created: then nothing is checked.

    Raises:
        TooManyJobs, Overloaded, StorageFull: see `errors`.
    """
    with services.database.read() as session:
        if idempotency_key is not None:
            mine = (Job.user_id == user_id, Job.idempotency_key == idempotency_key)
            if earlier := session.scalar(select(Job).where(*mine)):
                return earlier
        _check_quotas(session, services, user_id)
    return None


def submit(
    services: Services,
    user_id: str,
    upload_id: str | None,
    spec: JobSpec,
    *,
    source: RemoteSource | None = None,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> Job:
    """Queues a conversion of the user's upload, or of a source that a worker fetches; blocking.

    Returns the job that the same request with this key created before, even if its upload has been deleted.

    Raises:
        NotFound: when the user has no such upload, or no such cover.
        InvalidOption: when the cover's upload is not complete, or too large.
        IdempotencyKeyReused: when the key was used for another request.
        TooManyJobs, Overloaded, StorageFull: see `errors`.
    """
    with services.database.write() as session:
        lock_user(session, user_id)
        if earlier := lifecycle.find_by_key(session, user_id, idempotency_key, request_sha256):
            return earlier
        job = submit_in_transaction(
            session,
            services,
            user_id,
            upload_id,
            spec,
            source=source,
            idempotency_key=idempotency_key,
            request_sha256=request_sha256,
        )
    services.wake()
    log.info("job_submitted", job_id=job.id, user_id=user_id, size_bytes=job.source_size_bytes)
    return job


def submit_in_transaction(
    session: Session,
    services: Services,
    user_id: str,
    upload_id: str | None,
    spec: JobSpec,
    *,
    source: RemoteSource | None = None,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> Job:
    """Does the same in the caller's transaction; the caller has locked the user and wakes the relay after the commit.

    Raises as `submit`.
    """
    _check_quotas(session, services, user_id)
    found = _lock_uploads(session, services, user_id, {upload_id, spec.cover_upload_id})
    upload, cover = (found[wanted_id] if wanted_id else None for wanted_id in (upload_id, spec.cover_upload_id))
    _require_picture_size(cover)
    return lifecycle.submit(
        session,
        user_id=user_id,
        upload=upload,
        source=source,
        result_url=spec.result_url,
        options=spec.options,
        cover=cover,
        tag=spec.tag,
        email_notifications=spec.email_notifications,
        webhook=spec.webhook,
        priority=lifecycle.PRIORITIES.index(spec.priority),
        idempotency_key=idempotency_key,
        request_sha256=request_sha256,
    )


def submit_batch_in_transaction(
    session: Session,
    services: Services,
    user_id: str,
    batch_id: str,
    specs: Sequence[tuple[str | None, RemoteSource | None, JobSpec]],
) -> None:
    """Does the same for a whole batch. Checks quotas and uploads once: the transaction delays other writers.

    Raises as `submit`.
    """
    _check_quotas(session, services, user_id, len(specs))
    found = _lock_uploads(session, services, user_id, {upload_id for upload_id, _, _ in specs})
    lifecycle.submit_all(
        session,
        [
            lifecycle.new_job(
                user_id=user_id,
                upload=found[upload_id] if upload_id else None,
                source=source,
                options=spec.options,
                tag=spec.tag,
                batch_id=batch_id,
                email_notifications=spec.email_notifications,
                priority=lifecycle.PRIORITIES.index(spec.priority),
            )
            for upload_id, source, spec in specs
        ],
    )


def _lock_uploads(
    session: Session, services: Services, user_id: str, upload_ids: Iterable[str | None]
) -> dict[str, Upload]:
    """Returns and locks the user's uploads with these ids, and extends their retention."""
    # In one order, so that two requests cannot deadlock.
    wanted = sorted({upload_id for upload_id in upload_ids if upload_id})
    found = {upload_id: uploads.find(session, upload_id, user_id, lock=True) for upload_id in wanted}
    _keep(session, services, *wanted)
    return found


def _require_picture_size(cover: Upload | None) -> None:
    if cover is not None and cover.state != "complete":
        raise InvalidOption("cover_upload_id: the upload of the picture is not complete.")
    if cover is not None and cover.received_bytes > MAX_COVER_BYTES:
        raise InvalidOption(f"cover_upload_id: the picture is larger than {MAX_COVER_BYTES // 10**6} MB.")


def retry(services: Services, user_id: str, job_id: str) -> Job:
    """Creates a new job from the user's failed or canceled one; blocking.

    Raises:
        TooManyJobs, Overloaded, StorageFull: see `errors`.
        NotFound, Conflict, UploadDeleted: see `lifecycle.retry`.
    """
    with services.database.write() as session:
        lock_user(session, user_id)
        lifecycle.find(session, job_id, user_id)
        _check_quotas(session, services, user_id)
        job = lifecycle.retry(session, job_id, user_id)
        _keep(session, services, job.upload_id, job.cover_upload_id)
    services.wake()
    return job


def _keep(session: Session, services: Services, *upload_ids: str | None) -> None:
    """Extends the retention of uploads beyond their conversion."""
    for upload_id in upload_ids:
        if upload_id is not None:
            uploads.extend_lifetime(session, upload_id, services.settings.upload_retention_s)


def _check_quotas(session: Session, services: Services, user_id: str, more: int = 1) -> None:
    settings = services.settings
    check_free_disk(services.storage.scratch_folder, settings.min_free_disk_bytes)
    limits.check_job_quota(session, user_id, limits.JobLimits(settings.max_user_jobs, settings.max_jobs), more)
