"""Creates jobs, once for each Idempotency-Key."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.database.clock import now
from video2mp3.database.tables import Job, Upload, new_id
from video2mp3.engine import ResolvedOptions
from video2mp3.errors import (
    Conflict,
    IdempotencyKeyReused,
    NotFound,
    UploadDeleted,
)
from video2mp3.jobs import counting
from video2mp3.jobs.lifecycle.owner import find
from video2mp3.jobs.lifecycle.states import NORMAL, PRIORITIES
from video2mp3.jobs.sources import RemoteSource, source_columns
from video2mp3.outbox import webhooks
from video2mp3.outbox.webhooks import Receiver
from video2mp3.telemetry import tracing


def submit(
    session: Session,
    *,
    user_id: str,
    upload: Upload | None,
    options: ResolvedOptions,
    source: RemoteSource | None = None,
    result_url: str | None = None,
    cover: Upload | None = None,
    tag: str | None = None,
    batch_id: str | None = None,
    email_notifications: bool = True,
    webhook: Receiver | None = None,
    priority: int = NORMAL,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> Job:
    """Creates a job; with a key that the user has used before, returns the job created then.

    The caller has read and locked `upload` and `cover`, the front cover, in this transaction. While the upload is open,
    the job waits for it. Without an upload the job has a `source`, and waits until that is fetched (see `fetched`). The
    caller has validated the `options`. `priority` is an index of PRIORITIES. `request_sha256` identifies the request
    that the key was used for. The job keeps the ids of the current request, for the logs. Wake the relay after the
    commit.

    Raises:
        IdempotencyKeyReused: when the key was used for another request.
        NotFound: when an upload belongs to another user, or was deleted since it was read.
    """
    if earlier := find_by_key(session, user_id, idempotency_key, request_sha256):
        return earlier
    job = new_job(
        user_id=user_id,
        upload=upload,
        options=options,
        source=source,
        result_url=result_url,
        cover=cover,
        tag=tag,
        batch_id=batch_id,
        email_notifications=email_notifications,
        priority=priority,
    )
    job.idempotency_key, job.request_sha256 = idempotency_key, request_sha256
    try:
        with session.begin_nested():
            session.add(job)
            session.flush()
    except IntegrityError:
        # Another request with the same key was faster, or the upload was deleted since it was read.
        if earlier := find_by_key(session, user_id, idempotency_key, request_sha256):
            return earlier
        raise NotFound("The upload was deleted.") from None
    if webhook is not None:
        webhooks.add_to_job(session, job, webhook)
    session.refresh(job)
    counting.submitted(session, PRIORITIES[priority])
    return job


def new_job(
    *,
    user_id: str,
    upload: Upload | None,
    options: ResolvedOptions,
    source: RemoteSource | None = None,
    result_url: str | None = None,
    cover: Upload | None = None,
    tag: str | None = None,
    batch_id: str | None = None,
    email_notifications: bool = True,
    priority: int = NORMAL,
) -> Job:
    """Returns the row of a job that is not in a session yet, for `submit_all`. The arguments are those of `submit`.

    Raises:
        NotFound: when an upload belongs to another user.
    """
    if any(mine is not None and mine.user_id != user_id for mine in (upload, cover)):
        raise NotFound
    return Job(
        id=new_id(),
        user_id=user_id,
        **source_columns(upload, source, options),
        result_url=result_url,
        cover_upload_id=cover.id if cover else None,
        options=options,
        tag=tag,
        batch_id=batch_id,
        email_notifications=email_notifications,
        request_id=tracing.request_id(),
        traceparent=tracing.current(),
        priority=priority,
        created_at=now(),
    )


def submit_all(session: Session, jobs: Sequence[Job]) -> None:
    """Creates many jobs with one statement. The caller has read and locked their uploads in this transaction.

    Raises:
        NotFound: when an upload was deleted since it was read.
    """
    # As a number: an expression would need a statement for each row.
    created_at = session.scalars(select(now())).one()
    for job in jobs:
        job.created_at = created_at
    try:
        with session.begin_nested():
            session.add_all(jobs)
            session.flush()
    except IntegrityError:
        raise NotFound("The upload was deleted.") from None
    for job in jobs:
        counting.submitted(session, PRIORITIES[job.priority])


def find_by_key(session: Session, user_id: str, idempotency_key: str | None, request_sha256: str | None) -> Job | None:
    """Returns the job that the same request of the user created before; None if there is none, or no key.

    Raises:
        IdempotencyKeyReused: when the key was used for another request.
    """
    if idempotency_key is None:
        return None
    job = session.scalar(select(Job).where(Job.user_id == user_id, Job.idempotency_key == idempotency_key))
    if job is not None and job.request_sha256 != request_sha256:
        raise IdempotencyKeyReused
    return job


def retry(session: Session, job_id: str, user_id: str) -> Job:
    """Creates a new job from a failed or canceled one: the same upload, the same options.

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
    upload = session.get(Upload, job.upload_id, with_for_update=True) if job.upload_id else None
    cover = session.get(Upload, job.cover_upload_id, with_for_update=True) if job.cover_upload_id else None
    if (upload is None and source is None) or (job.cover_upload_id and cover is None):
        raise UploadDeleted
    return submit(
        session,
        user_id=user_id,
        upload=upload,
        options=job.options,
        source=source,
        result_url=job.result_url,
        cover=cover,
        tag=job.tag,
        email_notifications=job.email_notifications,
        webhook=webhooks.one_off_subscriber(session, job_id),
        priority=max(NORMAL, job.priority),
    )
