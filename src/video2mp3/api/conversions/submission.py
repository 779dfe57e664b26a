"""Submits jobs: the steps that all routes with conversions share."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from video2mp3 import uploads
from video2mp3.api.frame.services import Services
from video2mp3.api.frame.streaming import abort
from video2mp3.api.uploads.incoming import IncomingUpload
from video2mp3.database.statements import lock_user
from video2mp3.database.tables import Job, Upload
from video2mp3.engine.options import MAX_COVER_BYTES
from video2mp3.errors import InvalidOption
from video2mp3.jobs import lifecycle, limits
from video2mp3.jobs.idempotency import Idempotency, find_earlier
from video2mp3.jobs.sources import JobSpec
from video2mp3.storage.scratch import check_free_disk

log = structlog.get_logger()


def check_quotas(services: Services, user_id: str, idempotency_key: str | None = None) -> Job | None:
    """Checks whether the service would accept the user's job, before the upload starts; blocking.

    Returns the job that an earlier request with this key has created; then it checks nothing.

    Raises:
        TooManyJobs, Overloaded, StorageFull: see `errors`.
    """
    idempotency = Idempotency(idempotency_key, None) if idempotency_key is not None else None
    with services.database.read() as session:
        if earlier := find_earlier(session, Job, user_id, idempotency):
            return earlier
        _check_quotas(session, services, user_id)
    return None


def submit(services: Services, user_id: str, spec: JobSpec, idempotency: Idempotency | None = None) -> Job:
    """Creates the user's job; blocking.

    Returns the job that the same request created before with this key, even if its upload was deleted since.

    Raises:
        NotFound: when the user has no such upload, or no such cover.
        InvalidOption: when the cover's upload is not complete, or too large.
        IdempotencyKeyReused: when the key was used for another request.
        TooManyJobs, Overloaded, StorageFull: see `errors`.
    """
    with services.database.write() as session:
        lock_user(session, user_id)
        if earlier := find_earlier(session, Job, user_id, idempotency):
            return earlier
        (job,) = submit_in_transaction(session, services, user_id, [spec], idempotency=idempotency)
    services.wake()
    log.info("job_submitted", job_id=job.id, user_id=user_id, size_bytes=job.source_size_bytes)
    return job


async def submit_stored(
    services: Services,
    incoming: IncomingUpload,
    upload: Upload,
    make_spec: Callable[[], JobSpec],
    idempotency_key: str | None,
) -> Job:
    """Submits the conversion of a file that was just stored; the file is deleted if the conversion is of another one.

    Raises:
        What `make_spec` and `submit` raise; then the file is deleted, too.
    """
    try:
        spec = make_spec()
        sha256 = spec.sha256(upload.name, incoming.sha256)
        idempotency = Idempotency(idempotency_key, sha256) if idempotency_key else None
        spec = replace(spec, upload_id=upload.id)
        job = await run_in_threadpool(submit, services, upload.user_id, spec, idempotency)
    except BaseException:
        await abort(incoming)
        raise
    if job.upload_id != upload.id:
        # Another request with this Idempotency-Key and the same file was faster.
        await abort(incoming)
    return job


def submit_in_transaction(
    session: Session,
    services: Services,
    user_id: str,
    specs: Sequence[JobSpec],
    *,
    batch_id: str | None = None,
    idempotency: Idempotency | None = None,
) -> list[Job]:
    """Creates jobs in the caller's transaction. The caller has locked the user, and wakes the relay after the commit.

    Raises as `submit`.
    """
    _check_quotas(session, services, user_id, len(specs))
    # Locked in one order, so that two requests cannot wait for each other.
    wanted = sorted({one for spec in specs for one in (spec.upload_id, spec.cover_upload_id) if one is not None})
    found = {upload_id: uploads.find(session, upload_id, user_id, lock=True) for upload_id in wanted}
    for upload_id in wanted:
        uploads.extend_lifetime(session, upload_id, services.settings.upload_retention_s)
    for cover_upload_id in {spec.cover_upload_id for spec in specs} - {None}:
        _check_cover(found[str(cover_upload_id)])
    return lifecycle.submit(session, user_id, specs, batch_id=batch_id, idempotency=idempotency)


def retry(services: Services, user_id: str, job_id: str) -> Job:
    """Creates a new job from the user's failed or canceled one; blocking.

    Raises:
        TooManyJobs, Overloaded, StorageFull: see `errors`.
        NotFound, Conflict, UploadDeleted: see `lifecycle.retry_spec`.
    """
    with services.database.write() as session:
        lock_user(session, user_id)
        spec = lifecycle.retry_spec(session, job_id, user_id)
        (job,) = submit_in_transaction(session, services, user_id, [spec])
    services.wake()
    return job


def _check_cover(cover: Upload) -> None:
    if cover.state != "complete":
        raise InvalidOption("cover_upload_id: the picture has not been uploaded whole yet.")
    if cover.received_bytes > MAX_COVER_BYTES:
        raise InvalidOption(f"cover_upload_id: the picture is larger than {MAX_COVER_BYTES // 10**6} MB.")


def _check_quotas(session: Session, services: Services, user_id: str, more: int = 1) -> None:
    settings = services.settings
    check_free_disk(services.storage.scratch_folder, settings.min_free_disk_bytes)
    limits.check_job_quota(session, user_id, limits.JobLimits(settings.max_user_jobs, settings.max_jobs), more)
