"""Creates jobs, once for each Idempotency-Key."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.database.clock import now
from video2mp3.database.tables import Job, Upload, new_id
from video2mp3.errors import Conflict, NotFound, UploadDeleted
from video2mp3.jobs import counting
from video2mp3.jobs.idempotency import Idempotency, find_earlier
from video2mp3.jobs.lifecycle.owner import find
from video2mp3.jobs.lifecycle.states import NORMAL, PRIORITIES
from video2mp3.jobs.sources import JobSpec, RemoteSource, source_columns
from video2mp3.outbox import webhooks
from video2mp3.telemetry import tracing


def submit(
    session: Session,
    user_id: str,
    specs: Sequence[JobSpec],
    *,
    batch_id: str | None = None,
    idempotency: Idempotency | None = None,
) -> list[Job]:
    """Creates the user's jobs with one statement; with a key that was used before, returns the job created then.

    The caller has locked the uploads in this transaction, and wakes the relay after the commit. A key belongs to one
    job. While an upload is open, its job waits for it. The jobs keep the ids of the current request, for the logs.

    Raises:
        IdempotencyKeyReused: when the key was used for another request.
        NotFound: when an upload belongs to another user, or was deleted.
    """
    if earlier := find_earlier(session, Job, user_id, idempotency):
        return [earlier]
    # As a number: an expression would need a statement for each row.
    created_at = session.scalars(select(now())).one()
    jobs = [_new_job(session, user_id, spec, batch_id, created_at) for spec in specs]
    if idempotency is not None:
        (job,) = jobs
        job.idempotency_key, job.request_sha256 = idempotency.key, idempotency.request_sha256
    try:
        with session.begin_nested():
            session.add_all(jobs)
            session.flush()
    except IntegrityError:
        # Another request with the same key was faster, or an upload was deleted since it was read.
        if earlier := find_earlier(session, Job, user_id, idempotency):
            return [earlier]
        raise NotFound("The upload was deleted.") from None
    for job, spec in zip(jobs, specs, strict=True):
        if spec.webhook is not None:
            webhooks.add_to_job(session, job, spec.webhook)
        counting.submitted(session, PRIORITIES[spec.priority])
    return jobs


def _new_job(session: Session, user_id: str, spec: JobSpec, batch_id: str | None, created_at: int) -> Job:
    upload, cover = (_upload(session, user_id, wanted) for wanted in (spec.upload_id, spec.cover_upload_id))
    return Job(
        id=new_id(),
        user_id=user_id,
        **source_columns(upload, spec),
        result_url=spec.result_url,
        cover_upload_id=cover and cover.id,
        options=spec.options,
        tag=spec.tag,
        batch_id=batch_id,
        email_notifications=spec.email_notifications,
        request_id=tracing.request_id(),
        traceparent=tracing.current(),
        priority=spec.priority,
        created_at=created_at,
    )


def _upload(session: Session, user_id: str, upload_id: str | None) -> Upload | None:
    if upload_id is None:
        return None
    upload = session.get(Upload, upload_id)
    if upload is None or upload.user_id != user_id:
        raise NotFound
    return upload


def retry(session: Session, job_id: str, user_id: str) -> Job:
    """Creates a new job from a failed or canceled one; see `retry_spec`."""
    (job,) = submit(session, user_id, [retry_spec(session, job_id, user_id)])
    return job


def retry_spec(session: Session, job_id: str, user_id: str) -> JobSpec:
    """Returns what a failed or canceled job was to do, and locks its uploads.

    A high priority becomes normal, because the caller need not be an administrator.

    Raises:
        NotFound: when the user has no such job.
        Conflict: when it has not failed and was not canceled.
        UploadDeleted: when its upload, or its cover's, was deleted.
    """
    job = find(session, job_id, user_id)
    if job.state not in ("failed", "canceled"):
        raise Conflict("Only a conversion that failed or was canceled can be tried again.")
    source = RemoteSource(job.source_url, job.source_name) if job.source_url else None
    # Locked in the order in which a submission locks them, so that no two requests wait for each other.
    wanted = sorted(one for one in (job.upload_id, job.cover_upload_id) if one is not None)
    found = {upload_id: session.get(Upload, upload_id, with_for_update=True) for upload_id in wanted}
    upload, cover = (found.get(one or "") for one in (job.upload_id, job.cover_upload_id))
    if (upload is None and source is None) or (job.cover_upload_id and cover is None):
        raise UploadDeleted
    return JobSpec(
        options=job.options,
        upload_id=upload.id if upload else None,
        source=source,
        cover_upload_id=job.cover_upload_id,
        result_url=job.result_url,
        tag=job.tag,
        email_notifications=job.email_notifications,
        webhook=webhooks.one_off_subscriber(session, job_id),
        priority=max(NORMAL, job.priority),
    )
