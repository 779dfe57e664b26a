"""Routes for administrators: every user's conversions, the workers, the backlog. Other callers get 403."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from video2mp3.accounts import audit, names
from video2mp3.accounts.audit import Action, NamedEntry
from video2mp3.api.auth.identity import CurrentAdmin, current_admin
from video2mp3.api.conversions.representations import ErrorJSON, State, error_json
from video2mp3.api.frame.parameters import Cursor, ItemId, Limit
from video2mp3.api.frame.schemas import NextCursor, moment, moment_or_none
from video2mp3.api.frame.services import CurrentServices
from video2mp3.jobs import administration
from video2mp3.jobs.administration import OwnedJob, WorkerState, WorkerStatus
from video2mp3.jobs.lifecycle import PRIORITIES, Priority
from video2mp3.storage.scratch import free_bytes

router = APIRouter(prefix="/v1/admin", tags=["administration"], dependencies=[Depends(current_admin)])


class OwnerJSON(BaseModel):
    """The owner of a conversion."""

    id: str
    username: str


class ActorJSON(BaseModel):
    """The actor of an audit entry."""

    id: str
    username: str | None = Field(description="null: the account was deleted.")


class AdminJob(BaseModel):
    """A conversion, as administrators see it."""

    id: str
    user: OwnerJSON
    state: State
    priority: Priority
    percent: int
    source_name: str
    source_size_bytes: int
    options: dict[str, Any]
    worker_id: str | None = Field(description="The worker that converts it.")
    claims: int = Field(description="How often a worker claimed it.")
    failures: int = Field(description="How often the engine failed.")
    lost_leases: int = Field(description="How often its worker was lost.")
    not_before: datetime | None = Field(description="The time of the next attempt.")
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: ErrorJSON | None

    @classmethod
    def of(cls, owned: OwnedJob) -> "AdminJob":
        """Represents a row."""
        job = owned.job
        return cls(
            id=job.id,
            user=OwnerJSON(id=job.user_id, username=owned.username),
            state=job.state,  # type: ignore[arg-type]  # checked by the model
            priority=PRIORITIES[job.priority],
            percent=100 if job.state == "finished" else job.percent,
            source_name=job.source_name,
            source_size_bytes=job.source_size_bytes,
            options=job.options.requested(),
            worker_id=job.lease_owner,
            claims=job.fence,
            failures=job.failures,
            lost_leases=job.lost_leases,
            not_before=moment(job.not_before) if job.not_before and job.state == "queued" else None,
            cancel_requested=job.cancel_requested,
            created_at=moment(job.created_at),
            started_at=moment_or_none(job.started_at),
            ended_at=moment_or_none(job.ended_at),
            error=error_json(job),
        )


class AdminJobPage(BaseModel):
    """Some conversions, the newest first."""

    items: list[AdminJob]
    next_cursor: NextCursor


class RunningJob(BaseModel):
    """A conversion that a worker processes."""

    id: str
    percent: int


class WorkerJSON(BaseModel):
    """A worker process."""

    id: str
    host: str
    state: WorkerState = Field(
        description="`drained`: it has finished its conversions and takes no more; `lost`: no heartbeat for 35 s."
    )
    slots: int = Field(description="Concurrent conversions; while the worker drains, those that have not ended.")
    started_at: datetime
    heartbeat_at: datetime
    heartbeat_age_s: float
    jobs: list[RunningJob]

    @classmethod
    def of(cls, status: WorkerStatus) -> "WorkerJSON":
        """Represents a row, with what it does."""
        worker = status.worker
        return cls(
            id=worker.id,
            host=worker.host,
            state=status.state,
            slots=worker.slots,
            started_at=moment(worker.started_at),
            heartbeat_at=moment(worker.heartbeat_at),
            heartbeat_age_s=round(status.heartbeat_age_s, 3),
            jobs=[RunningJob(id=job.id, percent=job.percent) for job in status.jobs],
        )


class QueueJSON(BaseModel):
    """The backlog."""

    waiting: int = Field(description="Conversions whose upload is not complete.")
    queued: dict[str, int] = Field(description="Conversions that wait for a worker, by priority.")
    delayed: int = Field(description="Queued conversions that wait for their next attempt.")
    announced: int = Field(description="Queued conversions that the broker has a message for.")
    processing: int
    oldest_queued_s: float | None = Field(description="Age of the oldest queued conversion.")
    notifications: int = Field(description="Notifications that are not sent yet.")
    oldest_notification_s: float | None
    open_slots: int = Field(description="Slots of all workers that are alive and take conversions.")


class StoredJSON(BaseModel):
    """Number and size of stored objects."""

    count: int
    bytes: int


class StorageJSON(BaseModel):
    """Stored objects of all users."""

    uploads: StoredJSON = Field(description="Including the received part of uploads in progress.")
    results: StoredJSON
    free_bytes: int = Field(
        description="On the disk of this process's scratch folder; the storage's disk, if files are stored on disk."
    )


class AuditEntryJSON(BaseModel):
    """An action on an account, a secret or the service."""

    id: str
    at: datetime
    action: Action
    by: ActorJSON | None = Field(description="The actor; null: nobody was signed in, or the command line.")
    about: str | None = Field(description="The id of the object, unless that is the account `by`.")
    detail: str
    address: str | None = Field(description="The client's address.")
    request_id: str | None = Field(description="The request's id, as in the log; null: the command line.")

    @classmethod
    def of(cls, named: NamedEntry) -> "AuditEntryJSON":
        """Represents a row."""
        entry = named.entry
        return cls(
            id=entry.id,
            at=moment(entry.at),
            action=entry.action,  # type: ignore[arg-type]  # checked by the model
            by=ActorJSON(id=entry.user_id, username=named.username) if entry.user_id else None,
            about=entry.subject_id,
            detail=entry.detail,
            address=entry.address,
            request_id=entry.request_id,
        )


class AuditPage(BaseModel):
    """Some entries, the newest first."""

    items: list[AuditEntryJSON]
    next_cursor: NextCursor


@router.get("/jobs")
def list_jobs(
    services: CurrentServices,
    state: State | None = None,
    user: Annotated[str | None, Query(max_length=64, description="A username.")] = None,
    worker: Annotated[str | None, Query(pattern="^[0-9a-f]{32}$", description="A worker's id.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> AdminJobPage:
    """Lists all users' conversions, the newest first."""
    with services.database.read() as session:
        jobs = administration.list_jobs(
            session, state=state, username=user, worker_id=worker, before_id=cursor, limit=limit + 1
        )
    return AdminJobPage(
        items=[AdminJob.of(job) for job in jobs[:limit]],
        next_cursor=jobs[limit - 1].job.id if len(jobs) > limit else None,
    )


@router.get("/jobs/{job_id}")
def read_job(job_id: ItemId, services: CurrentServices) -> AdminJob:
    """Returns any user's conversion."""
    with services.database.read() as session:
        return AdminJob.of(administration.find_job(session, job_id))


@router.post("/jobs/{job_id}/retry", status_code=202)
def retry_job(
    request: Request, job_id: ItemId, user: CurrentAdmin, services: CurrentServices, response: Response
) -> AdminJob:
    """Creates a new conversion from one that failed or was canceled, for the same user, regardless of limits."""
    with services.database.write() as session:
        job = AdminJob.of(administration.retry_job(session, job_id))
        audit.record(session, "job.retried", by=user.user_id, about=job_id)
    services.wake()
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/admin/jobs/{job.id}"
    return job


@router.post("/jobs/{job_id}/cancel")
def cancel_job(job_id: ItemId, user: CurrentAdmin, services: CurrentServices) -> AdminJob:
    """Cancels any user's conversion: at once, or within seconds if a worker converts it (`cancel_requested`)."""
    with services.database.write() as session:
        job = administration.cancel_job(session, job_id)
        audit.record(session, "job.canceled", by=user.user_id, about=job_id)
        return AdminJob.of(job)


@router.get("/workers")
def list_workers(services: CurrentServices) -> list[WorkerJSON]:
    """Lists the workers with a heartbeat within the last day, with their conversions."""
    with services.database.read() as session:
        return [WorkerJSON.of(status) for status in administration.list_workers(session)]


@router.post("/workers/{worker_id}/drain", status_code=202)
def drain_worker(worker_id: ItemId, user: CurrentAdmin, services: CurrentServices) -> WorkerJSON:
    """Drains a worker: it takes no more conversions and finishes its current ones (state `drained`). Irreversible."""
    with services.database.write() as session:
        status = administration.drain_worker(session, worker_id)
        audit.record(session, "worker.drained", by=user.user_id, about=worker_id)
        return WorkerJSON.of(status)


@router.get("/queue")
def read_queue(services: CurrentServices) -> QueueJSON:
    """Returns the size and the age of the backlog."""
    with services.database.read() as session:
        return QueueJSON(**vars(administration.backlog(session)))


@router.get("/storage")
def read_storage(services: CurrentServices) -> StorageJSON:
    """Returns how much is stored, and how much space is free."""
    with services.database.read() as session:
        uploads, results = administration.stored_uploads(session), administration.stored_results(session)
    return StorageJSON(
        uploads=StoredJSON(**vars(uploads)),
        results=StoredJSON(**vars(results)),
        free_bytes=free_bytes(services.storage.scratch_folder),
    )


@router.get("/audit")
def list_audit_entries(
    services: CurrentServices,
    action: Action | None = None,
    user: Annotated[
        str | None, Query(max_length=64, description="A username: entries by or about this account.")
    ] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> AuditPage:
    """Lists the entries of the audit log, the newest first."""
    key = None if user is None else names.key(user)
    with services.database.read() as session:
        found = audit.entries(session, action=action, username_key=key, before_id=cursor, limit=limit + 1)
    return AuditPage(
        items=[AuditEntryJSON.of(entry) for entry in found[:limit]],
        next_cursor=found[limit - 1].entry.id if len(found) > limit else None,
    )
