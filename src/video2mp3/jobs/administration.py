"""Administration: every user's jobs, the workers, the backlog."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Job, Notification, Upload, User, Worker
from video2mp3.errors import NotFound
from video2mp3.jobs import lifecycle, workers
from video2mp3.jobs.lifecycle import PRIORITIES

WorkerState = Literal["idle", "busy", "draining", "drained", "lost"]


@dataclass(frozen=True)
class OwnedJob:
    """A job and its owner's name."""

    job: Job
    username: str


@dataclass(frozen=True)
class WorkerStatus:
    """A worker process and its jobs."""

    worker: Worker
    state: WorkerState
    """`drained`: it has finished its jobs and takes no more. `lost`: its last heartbeat is too old."""
    heartbeat_age_s: float
    jobs: Sequence[Job]


@dataclass(frozen=True)
class Backlog:
    """Numbers and ages of waiting jobs and notifications."""

    waiting: int
    """Jobs whose upload is not complete."""
    queued: dict[str, int]
    """Jobs that wait for a worker, by priority."""
    delayed: int
    """Queued jobs that wait for their next attempt."""
    announced: int
    """Queued jobs that the broker has a message for."""
    processing: int
    oldest_queued_s: float | None
    """Since its submission; None if no job waits for a worker."""
    notifications: int
    oldest_notification_s: float | None
    open_slots: int
    """Slots of all workers that are alive and take jobs."""


@dataclass(frozen=True)
class Stored:
    """Number and size of stored objects."""

    count: int
    bytes: int


def list_jobs(
    session: Session,
    *,
    state: str | None = None,
    username: str | None = None,
    worker_id: str | None = None,
    before_id: str | None = None,
    limit: int,
) -> list[OwnedJob]:
    """Returns up to `limit` jobs of all users that match all given arguments, the newest first.

    `username` is compared exactly; `before_id` excludes that job and all newer ones.
    """
    conditions = [
        column == value
        for column, value in ((Job.state, state), (User.username, username), (Job.lease_owner, worker_id))
        if value is not None
    ]
    if before_id is not None:
        conditions.append(Job.id < before_id)
    found = select(Job, User.username).join(User, User.id == Job.user_id).where(*conditions)
    rows = session.execute(found.order_by(Job.id.desc()).limit(limit)).all()
    return [OwnedJob(job, name) for job, name in rows]


def find_job(session: Session, job_id: str) -> OwnedJob:
    """Returns any user's job as it is in the database now; raises NotFound."""
    job = session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise NotFound
    return OwnedJob(job, session.get_one(User, job.user_id).username)


def cancel_job(session: Session, job_id: str) -> OwnedJob:
    """Cancels any user's job (see `lifecycle.cancel`)."""
    owned = find_job(session, job_id)
    return OwnedJob(lifecycle.cancel(session, job_id, owned.job.user_id), owned.username)


def retry_job(session: Session, job_id: str) -> OwnedJob:
    """Creates a new job from any user's failed or canceled one (see `lifecycle.retry`), regardless of limits."""
    owned = find_job(session, job_id)
    return OwnedJob(lifecycle.retry(session, job_id, owned.job.user_id), owned.username)


def list_workers(session: Session) -> list[WorkerStatus]:
    """Returns all workers with a heartbeat within the last day, the oldest first."""
    jobs: dict[str | None, list[Job]] = {}
    for job in session.scalars(select(Job).where(Job.state == "processing").order_by(Job.started_at, Job.id)):
        jobs.setdefault(job.lease_owner, []).append(job)
    rows = session.execute(select(Worker, now() - Worker.heartbeat_at).order_by(Worker.id)).all()
    return [_status(worker, age / SECOND, jobs.get(worker.id, [])) for worker, age in rows]


def drain_worker(session: Session, worker_id: str) -> WorkerStatus:
    """Asks a worker to finish its jobs and to take no more; returns its current status. Raises NotFound."""
    workers.request_drain(session, worker_id)
    return next(status for status in list_workers(session) if status.worker.id == worker_id)


def backlog(session: Session) -> Backlog:
    """Counts waiting jobs and notifications."""
    queued: dict[str, int] = dict.fromkeys(PRIORITIES, 0)
    by_priority = select(Job.priority, func.count()).where(Job.state == "queued").group_by(Job.priority)
    for priority, count in session.execute(by_priority):
        queued[PRIORITIES[priority]] = count
    sent = (Notification.state == "queued",)
    # Only emails: a webhook's receiver may be away, and that is its owner's affair.
    mailed = (*sent, Notification.kind == "email")
    return Backlog(
        waiting=_count(session, Job.state == "waiting"),
        queued=queued,
        delayed=_count(session, Job.state == "queued", Job.not_before > now()),
        announced=_count(session, Job.state == "queued", Job.announced_until > now()),
        processing=_count(session, Job.state == "processing"),
        oldest_queued_s=_age_s(session, select(func.min(Job.created_at)).where(Job.state == "queued")),
        notifications=session.scalars(select(func.count()).select_from(Notification).where(*sent)).one(),
        oldest_notification_s=_age_s(session, select(func.min(Notification.created_at)).where(*mailed)),
        open_slots=workers.open_slots(session),
    )


def stored_uploads(session: Session) -> Stored:
    """Counts the uploads of all users, including the received part of uploads in progress."""
    return Stored(*session.execute(select(func.count(), _sum(Upload.received_bytes)).select_from(Upload)).one())


def stored_results(session: Session) -> Stored:
    """Counts the stored results of all users; a ZIP of several MP3s counts as one."""
    kept = (Job.state == "finished", Job.expires_at.is_not(None))
    return Stored(*session.execute(select(func.count(), _sum(Job.result_size_bytes)).where(*kept)).one())


def _sum(column: InstrumentedAttribute[int] | InstrumentedAttribute[int | None]) -> ColumnElement[int]:
    # MySQL's sums are decimal numbers.
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


def _status(worker: Worker, heartbeat_age_s: float, jobs: Sequence[Job]) -> WorkerStatus:
    state: WorkerState
    if heartbeat_age_s > workers.SEEN_S:
        state = "lost"
    elif worker.draining or worker.drain_requested:
        # Its slots end one by one; the row has the number of the remaining ones.
        state = "drained" if worker.draining and not worker.slots else "draining"
    else:
        state = "busy" if jobs else "idle"
    return WorkerStatus(worker, state, max(0.0, heartbeat_age_s), jobs)


def _count(session: Session, *conditions: ColumnElement[bool]) -> int:
    return session.scalars(select(func.count()).select_from(Job).where(*conditions)).one()


def _age_s(session: Session, first: Select[int]) -> float | None:
    age = session.scalar(select(now() - first.scalar_subquery()))
    return None if age is None else max(0.0, age / SECOND)
