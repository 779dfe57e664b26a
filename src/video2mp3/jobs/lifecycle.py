"""Every change of a job's state. Each is one conditional statement: of two that race, one wins.

```text
 state        may become, by
 -----        --------------
 (new)        queued      submit
 (new)        waiting     submit, while the upload is not complete, or the file has to be got from a URL
 waiting      queued      upload_completed; fetched; start_early: the rest of the upload comes as fast as it is used
 waiting      canceled    cancel, or fail: the worker was told to stop
 waiting      failed      reap: upload deleted or expired, or too many lost leases; fail: the file cannot be downloaded
 queued       processing  claim
 queued       canceled    cancel
 processing   finished    finish, or sent where there is a result_url
 processing   failed      fail, or reap: lost too often
 processing   queued      fail: another try, release, wait_again, or reap: the lease has expired
 processing   waiting     wait_again: the upload has stalled
 processing   canceled    finish, fail, release, wait_again or reap, where a cancel was asked for; cancel in delivery
```

A job whose file is to be fetched, or whose result is to be sent, has a `transfer`. A worker claims that with a lease
and a fence (`claim_transfer`), as it claims a conversion, and the state stays until it is done. `finished`, `failed`
and `canceled` never change again; only their row can be deleted. Functions take a session and never commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.backoff import backoff_s
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change, change_all
from video2mp3.database.tables import Job, Upload, new_id
from video2mp3.engine import Waveform
from video2mp3.errors import (
    Canceled,
    Conflict,
    EngineError,
    IdempotencyKeyReused,
    NotFound,
    Unavailable,
    Unreachable,
    UploadDamaged,
    UploadDeleted,
    Video2mp3Error,
    WorkerLost,
)
from video2mp3.jobs import counting, fair_queueing, workers
from video2mp3.jobs.early import may_be_early, wait_for_end
from video2mp3.jobs.sources import CAME_TOO_SLOWLY, STALLS_LIMIT, RemoteSource, source_columns
from video2mp3.jobs.waveforms import delete_of, row
from video2mp3.outbox import notifications, webhooks
from video2mp3.outbox.webhooks import Receiver
from video2mp3.telemetry import tracing

ENDED = ("finished", "failed", "canceled")
"""The states that never change."""
Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""A row holds the index. They order a user's own jobs, and are weights between users: see `fair_queueing`."""
HIGH = 0
NORMAL = 1
Transfer = Literal["fetch", "send"]
LEASE_S = 30
"""A claim holds for this long after its last heartbeat."""
FAILURES_LIMIT = 3
"""Tries in all that may end with the engine's failure."""
LOST_LEASES_LIMIT = 10
"""Workers that may be lost with one job."""
FIRST_FAILURE_BACKOFF_S = 2
UNREACHABLE_LIMIT = 5
"""Tries in all with servers of others that are not reached: within half an hour."""
FIRST_UNREACHABLE_BACKOFF_S = 15
FIRST_DAMAGE_BACKOFF_S = 60
"""What cannot be found now may be there when a disk is mounted again, or a replica has caught up."""
FIRST_OUTAGE_BACKOFF_S = 5
MAX_OUTAGE_BACKOFF_S = 300

# Rows that one transaction of the reaper changes.
_REAPED_AT_ONCE = 100


@dataclass(frozen=True)
class Claim:
    """A job that a worker holds, as long as its `fence` is the row's."""

    job_id: str
    fence: int
    user_id: str
    upload_id: str | None
    source_name: str
    options: dict[str, Any]
    cover_upload_id: str | None = None
    request_id: str | None = None
    """Of the request that made the job."""
    traceparent: str | None = None
    source_url: str | None = None
    """Where to fetch the upload from."""
    result_url: str | None = None
    """Where to send the result."""
    transfer: Transfer | None = None
    """What is held: the conversion (None), the fetch of its file, or the sending of its result."""
    fetched_bytes: int | None = None
    """Read from `source_url` for the upload, where it was fetched for this job."""
    result_size_bytes: int | None = None


# -- The owner's side ---------------------------------------------------------------------------------


def submit(
    session: Session,
    *,
    user_id: str,
    upload: Upload | None,
    options: dict[str, Any],
    source: RemoteSource | None = None,
    result_url: str | None = None,
    cover: Upload | None = None,
    tag: str | None = None,
    batch_id: str | None = None,
    notify: bool = True,
    webhook: Receiver | None = None,
    priority: int = NORMAL,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> Job:
    """Makes a job of an upload; with a key that the user has used before: returns the job made then.

    `upload` is read in this transaction, with a lock; while it is still open, the job waits for it. Without one the job
    has a `source`, and waits until that is fetched (see `fetched`). `cover` is read so
    too, and complete: the front cover. The `options` were checked before. `priority` is an index of PRIORITIES.
    `request_sha256` tells whether the key was used for the same request. The job keeps the ids of the request that is
    served here, for the logs. After the commit the relay wants a wake.

    Raises:
        IdempotencyKeyReused: when the key was used for another request.
        NotFound: when an upload is another user's, or was deleted meanwhile.
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
        notify=notify,
        priority=priority,
    )
    job.idempotency_key, job.request_sha256 = idempotency_key, request_sha256
    try:
        with session.begin_nested():
            session.add(job)
            session.flush()
    except IntegrityError:
        # Another request with the same key was quicker, or the upload was deleted in between.
        if earlier := find_by_key(session, user_id, idempotency_key, request_sha256):
            return earlier
        raise NotFound("The upload is gone.") from None
    if webhook is not None:
        webhooks.add_to_job(session, job, webhook)
    session.refresh(job)
    counting.submitted(session, PRIORITIES[priority])
    return job


def new_job(
    *,
    user_id: str,
    upload: Upload | None,
    options: dict[str, Any],
    source: RemoteSource | None = None,
    result_url: str | None = None,
    cover: Upload | None = None,
    tag: str | None = None,
    batch_id: str | None = None,
    notify: bool = True,
    priority: int = NORMAL,
) -> Job:
    """Returns the row of a job that is in no session yet: for `submit_all`. What it is given: see `submit`.

    Raises:
        NotFound: when an upload is another user's.
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
        notify=notify,
        request_id=tracing.request_id(),
        traceparent=tracing.current(),
        priority=priority,
        created_at=now(),
    )


def submit_all(session: Session, jobs: Sequence[Job]) -> None:
    """Makes many jobs, whose uploads are read and locked in this transaction, with one statement.

    Raises:
        NotFound: when an upload was deleted meanwhile.
    """
    # As a number: with an expression, there would be a statement for each row.
    created_at = session.scalars(select(now())).one()
    for job in jobs:
        job.created_at = created_at
    try:
        with session.begin_nested():
            session.add_all(jobs)
            session.flush()
    except IntegrityError:
        raise NotFound("The upload is gone.") from None
    for job in jobs:
        counting.submitted(session, PRIORITIES[job.priority])


def find_by_key(session: Session, user_id: str, idempotency_key: str | None, request_sha256: str | None) -> Job | None:
    """Returns the job that the same request of the user has made before; None when there is none, or no key.

    Raises:
        IdempotencyKeyReused: when the key was used for another request.
    """
    if idempotency_key is None:
        return None
    job = session.scalar(select(Job).where(Job.user_id == user_id, Job.idempotency_key == idempotency_key))
    if job is not None and job.request_sha256 != request_sha256:
        raise IdempotencyKeyReused
    return job


def upload_completed(session: Session, upload_id: str) -> int:
    """Queues the jobs that waited for an upload; returns their number."""
    complete = select(Upload.id).where(Upload.id == upload_id, Upload.state == "complete").exists()
    waiting = (Job.upload_id == upload_id, Job.state == "waiting", complete)
    return change_all(session, Job, *waiting, state="queued", not_before=now(), waits_for=None)


def start_early(session: Session, upload_id: str) -> int:
    """Queues a job that waits for an upload, though that still comes; returns how many: 1 or 0.

    At most half of all slots, and at least one, serve uploads that still come: the others stay for what is there. To
    be called in a transaction of its own: it locks the workers' rows, so that two cannot count the same free slot.
    """
    most = max(1, workers.open_slots(session, lock=True) // 2)
    coming = select(Upload.id).where(Upload.id == Job.upload_id, Upload.state == "open").exists()
    early = select(func.count()).select_from(Job).where(Job.state.in_(("queued", "processing")), coming)
    if session.scalars(early).one() >= most:
        return 0
    candidate = may_be_early(upload_id)
    job_id = session.scalar(select(Job.id).where(*candidate).order_by(Job.id).limit(1))
    return int(job_id is not None and change(session, Job, job_id, *candidate, state="queued", not_before=now()))


def cancel(session: Session, job_id: str, user_id: str) -> Job:
    """Cancels a job: at once where it is not converted, else within its worker's next heartbeat.

    Raises:
        NotFound: when the user has no such job.
        Conflict: when it has ended.
    """
    mine = Job.user_id == user_id
    at_once = or_(Job.state.in_(("waiting", "queued")), (Job.state == "processing") & (Job.transfer == "send"))
    while True:
        if _cancel(session, job_id, mine, at_once) or change(
            session, Job, job_id, mine, Job.state == "processing", cancel_requested=True
        ):
            return find(session, job_id, user_id)
        # A job may change from one of these states to the other between the two statements.
        if find(session, job_id, user_id).state in ENDED:
            raise Conflict("The conversion has ended already.")


def retry(session: Session, job_id: str, user_id: str) -> Job:
    """Makes a new job of a failed or canceled one: the same upload, the same options.

    Its priority is normal where it was high: whoever asks may not be an administrator.

    Raises:
        NotFound: when the user has no such job.
        Conflict: when it has not failed and was not canceled.
        UploadDeleted: when its upload, or its cover's, is no more.
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
        notify=job.notify,
        webhook=webhooks.one_off_subscriber(session, job_id),
        priority=max(NORMAL, job.priority),
    )


def delete(session: Session, job_id: str, user_id: str) -> list[str]:
    """Deletes an ended job; returns the storage keys to delete after the commit.

    Raises:
        NotFound: when the user has no such job.
        Conflict: when it has not ended.
    """
    job = find(session, job_id, user_id)
    if job.state not in ENDED:
        raise Conflict("The conversion has not ended; cancel it first.")
    session.execute(sql_delete(Job).where(Job.id == job_id), execution_options={"synchronize_session": False})
    return [job.result_key] if job.result_key else []


def find(session: Session, job_id: str, user_id: str) -> Job:
    """Returns the user's job, as the database has it now.

    Raises:
        NotFound: when there is none, or when it is another user's.
    """
    job = session.get(Job, job_id, populate_existing=True)
    if job is None or job.user_id != user_id:
        raise NotFound
    return job


def list_page(
    session: Session, user_id: str, *, before_id: str | None, limit: int, search: str | None = None
) -> list[Job]:
    """Returns up to `limit` of the user's jobs, the newest first.

    All are older than `before_id`, where one is given, and have `search` in the source's name or in their tag.
    """
    found = [Job.user_id == user_id]
    if before_id:
        found.append(Job.id < before_id)
    if search:
        # Only letters without accents are the same in both cases everywhere: SQLite knows no others.
        found.append(or_(*(column.icontains(search, autoescape=True) for column in (Job.source_name, Job.tag))))
    return list(session.scalars(select(Job).where(*found).order_by(Job.id.desc()).limit(limit)))


# -- The worker's side --------------------------------------------------------------------------------


def claim(session: Session, job_id: str, worker_id: str) -> Claim | None:
    """Takes a queued job for a worker; None when it is not queued or not due, as another has it already."""
    is_first = session.scalar(select(Job.started_at).where(Job.id == job_id)) is None
    taken = change(
        session,
        Job,
        job_id,
        Job.state == "queued",
        Job.not_before <= now(),
        state="processing",
        fence=Job.fence + 1,
        lease_owner=worker_id,
        lease_until=now() + LEASE_S * SECOND,
        started_at=func.coalesce(Job.started_at, now()),
        announced_until=0,
    )
    if not taken:
        return None
    job = session.get_one(Job, job_id, populate_existing=True)
    fair_queueing.charge(session, job.user_id, job.priority)
    if is_first:
        counting.claimed_first(session, job, PRIORITIES[job.priority])
    return _claim_of(job)


def claim_transfer(session: Session, job_id: str, transfer: Transfer, worker_id: str) -> Claim | None:
    """Takes a job for a worker that fetches its file or sends its result; None when that is not due any more."""
    taken = change(
        session,
        Job,
        job_id,
        Job.transfer == transfer,
        Job.lease_until.is_(None),
        Job.not_before <= now(),
        fence=Job.fence + 1,
        lease_owner=worker_id,
        lease_until=now() + LEASE_S * SECOND,
    )
    return _claim_of(session.get_one(Job, job_id, populate_existing=True)) if taken else None


def _claim_of(job: Job) -> Claim:
    return Claim(
        job.id,
        job.fence,
        job.user_id,
        job.upload_id,
        job.source_name,
        job.options,
        job.cover_upload_id,
        job.request_id,
        job.traceparent,
        job.source_url,
        job.result_url,
        job.transfer,  # type: ignore[arg-type]  # written here only
        job.fetched_bytes,
        job.result_size_bytes,
    )


def fetched(session: Session, claim: Claim, upload: Upload, read_bytes: int) -> bool:
    """Queues a job with the upload that was fetched for it; False when the job was lost or canceled."""
    return _leave(
        session,
        claim,
        Job.transfer == "fetch",
        **_queued(0),
        transfer=None,
        waits_for=None,
        upload_id=upload.id,
        source_size_bytes=upload.received_bytes,
        fetched_bytes=read_bytes,
    )


def heartbeat(session: Session, claim: Claim, *, percent: int, done_s: float) -> Literal["held", "cancel", "lost"]:
    """Renews the lease and tells how far the conversion is; `done_s` is in seconds of audio.

    Returns:
        `held`: go on; `cancel`: the owner wants it to end; `lost`: the job is not the worker's any more.
    """
    lease_until = now() + LEASE_S * SECOND
    progress = {} if claim.transfer else {"percent": percent, "done_s": done_s}
    if not change(session, Job, claim.job_id, *_held(claim), lease_until=lease_until, **progress):
        return "lost"
    canceled = session.scalar(select(Job.cancel_requested).where(Job.id == claim.job_id))
    return "cancel" if canceled else "held"


def finish(
    session: Session,
    claim: Claim,
    *,
    result_key: str,
    sha256: str,
    checksums: bytes,
    size_bytes: int,
    duration_s: float,
    report: dict[str, Any],
    lifetime_s: int,
    waveforms: Mapping[int, Waveform] | None = None,
) -> bool:
    """Finishes a job with the object under `result_key`, which is deleted `lifetime_s` seconds later.

    A job with a `result_url` is not finished by that: its result is to be sent, see `sent`.

    `sha256` is of the whole object, `checksums` are those of its blocks (see `storage/checksums.py`). `waveforms` are
    kept with it, by the number of the MP3 in a ZIP; 0: the result is one MP3.

    Returns False when the job was lost or canceled: then the object belongs to nobody. Calling it again after an
    answer was lost is safe: it is True when the job was finished with this object.
    """
    is_sent = claim.result_url is not None
    ended = {**_no_lease, "transfer": "send", "not_before": 0} if is_sent else _finished(lifetime_s)
    finished = _leave(
        session,
        claim,
        Job.transfer.is_(None),
        **ended,
        result_key=result_key,
        result_sha256=sha256,
        result_checksums=checksums,
        result_size_bytes=size_bytes,
        result_duration_s=duration_s,
        report=report,
        percent=100,
        done_s=duration_s,
    )
    if finished:
        if not is_sent:
            notifications.add(session, claim.job_id)
        session.add_all(row(claim.job_id, number, waveform) for number, waveform in (waveforms or {}).items())
    elif _cancel(session, claim.job_id, *_held(claim), _canceled):
        return False
    else:
        finished = session.scalar(select(Job.result_key).where(Job.id == claim.job_id)) == result_key
    if finished and not is_sent:
        counting.became(session, "finished")
    return finished


def sent(session: Session, claim: Claim, *, lifetime_s: int) -> bool:
    """Finishes a job whose result was sent; False when it was lost or canceled. Calling it again is safe."""
    if _leave(session, claim, Job.transfer == "send", **_finished(lifetime_s)):
        notifications.add(session, claim.job_id)
        counting.became(session, "finished")
        return True
    now_is = (Job.id == claim.job_id, Job.fence == claim.fence, Job.state == "finished")
    return session.scalar(select(Job.id).where(*now_is)) is not None


def fail(session: Session, claim: Claim, error: Video2mp3Error) -> bool:
    """Ends a try that went wrong; the error's family decides what becomes of the job (see `errors.py`).

    Returns False when the job was lost.
    """
    held = _held(claim)
    counts = session.execute(select(Job.failures, Job.lost_leases).where(Job.id == claim.job_id, *held)).one_or_none()
    if counts is None:
        return False
    if isinstance(error, Canceled):
        return _cancel(session, claim.job_id, *held)
    if isinstance(error, Unavailable):
        # Every claim ended as one of these: a failure, a lost lease, an outage (or a release or a fetch: they are few).
        outages = claim.fence - 1 - counts.failures - counts.lost_leases
        pause_s = backoff_s(outages + 1, first_s=FIRST_OUTAGE_BACKOFF_S, max_s=MAX_OUTAGE_BACKOFF_S)
        return _give_back(session, claim, error.code, **_again(claim.transfer, pause_s))
    failures = counts.failures + isinstance(error, EngineError | Unreachable)
    if pause_s := _pause_s(error, failures):
        return _give_back(session, claim, error.code, **_again(claim.transfer, pause_s), failures=failures)
    if _leave(session, claim, **_failed(error), failures=failures):
        counting.became(session, "failed", error.code)
        notifications.add(session, claim.job_id)
        return True
    return _cancel(session, claim.job_id, *held, _canceled)


def release(session: Session, claim: Claim) -> bool:
    """Gives a job back at once, as nobody's fault; False when it was lost."""
    return _give_back(session, claim, "", **_again(claim.transfer, 0))


def wait_again(session: Session, claim: Claim) -> bool:
    """Lets a job wait again for an upload that comes too slowly, as nobody's fault; False when it was lost.

    After the second time, conversions of the upload begin at its end only.
    """
    upload = session.get(Upload, claim.upload_id, populate_existing=True, with_for_update=True)
    # Locked: its last chunk cannot be listed in between, and leave the job behind.
    state = "waiting" if upload is not None and upload.state == "open" else "queued"
    if not _give_back(session, claim, "", **{**_queued(0), "state": state}):
        return False
    if upload is not None and state == "waiting":
        upload.stalls += 1
        if upload.stalls >= STALLS_LIMIT:
            wait_for_end(session, upload.id, CAME_TOO_SLOWLY)
    return True


# -- Nobody's side: any process may call these at any time ----------------------------------------------


def reap(session: Session) -> int:
    """Takes jobs back from workers that were lost, and fails jobs that wait for an upload in vain.

    Returns the number of jobs changed, of at most a hundred of each kind; call it again while it is full.
    """
    expired = (*_leased, Job.lease_until <= now())
    columns = (Job.id, Job.fence, Job.lost_leases, Job.transfer)
    rows = session.execute(select(*columns).where(*expired).limit(_REAPED_AT_ONCE)).all()
    # Changed one by one, in the order of their ids: reapers in several processes cannot block each other.
    taken_back = [
        _take_back(session, row.id, row.fence, row.lost_leases + 1, row.transfer)
        for row in sorted(rows, key=lambda row: row.id)
    ]
    return sum(taken_back) + _fail_in_vain(session)


def _take_back(session: Session, job_id: str, fence: int, lost_leases: int, transfer: Transfer | None) -> bool:
    """Ends one expired lease, unless a heartbeat came in between."""
    lost = (Job.fence == fence, *_leased, Job.lease_until <= now())
    values = _again(transfer, 0) if lost_leases < LOST_LEASES_LIMIT else _failed(WorkerLost())
    if not change(session, Job, job_id, *lost, _not_canceled, **values, lost_leases=lost_leases):
        return _cancel(session, job_id, *lost, _canceled)
    state = values.get("state", "queued")
    counting.became(session, state, WorkerLost.code)
    if state == "failed":
        notifications.add(session, job_id)
    return True


def _fail_in_vain(session: Session) -> int:
    gone = or_(Upload.id.is_(None), (Upload.state != "complete") & (Upload.expires_at <= now()))
    waiting = (
        select(Job.id)
        .outerjoin(Upload, Upload.id == Job.upload_id)
        .where(Job.state == "waiting", Job.transfer.is_(None), gone)
        .limit(_REAPED_AT_ONCE)
    )
    changed = 0
    for job_id in sorted(session.scalars(waiting)):
        if change(session, Job, job_id, Job.state == "waiting", **_failed(UploadDeleted())):
            counting.became(session, "failed", UploadDeleted.code)
            notifications.add(session, job_id)
            changed += 1
    return changed


def expire(session: Session, limit: int) -> tuple[int, list[str]]:
    """Forgets up to `limit` results whose time is over.

    Returns how many it found, and the storage keys to delete after the commit: those that no other process took.

    The row stays, with its report; its `expires_at` and its waveforms are taken away with the result.
    """
    over = (Job.expires_at <= now(), Job.result_key.is_not(None))
    rows = session.execute(select(Job.id, Job.result_key).where(*over).order_by(Job.expires_at).limit(limit)).all()
    expired = [one for one in rows if change(session, Job, one.id, Job.result_key == one.result_key, **_no_result)]
    delete_of(session, [one.id for one in expired])
    return len(rows), [one.result_key for one in expired]


# -- Parts of the statements --------------------------------------------------------------------------

_canceled = Job.cancel_requested.is_(True)
_not_canceled = Job.cancel_requested.is_(False)
_no_result: dict[str, Any] = {"result_key": None, "result_checksums": None, "expires_at": None}
_leased = (Job.state.in_(("processing", "waiting")), or_(Job.state == "processing", Job.transfer.is_not(None)))
_no_lease: dict[str, Any] = {"lease_owner": None, "lease_until": None}


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    state = "waiting" if claim.transfer == "fetch" else "processing"
    return (Job.fence == claim.fence, Job.state == state, Job.lease_until.is_not(None))


def _leave(session: Session, claim: Claim, *conditions: ColumnElement[bool], **values: Any) -> bool:
    """Ends a lease, unless the job was lost or a cancel was asked for."""
    return change(session, Job, claim.job_id, *_held(claim), _not_canceled, *conditions, **values)


def _give_back(session: Session, claim: Claim, code: str, **values: Any) -> bool:
    """Queues a job again, or lets it wait; a cancel that was asked for wins.

    A cancel never is taken back, so nothing slips between.
    """
    if _leave(session, claim, **values):
        counting.became(session, "queued", code)
        return True
    return _cancel(session, claim.job_id, *_held(claim), _canceled)


def _cancel(session: Session, job_id: str, *conditions: ColumnElement[bool]) -> bool:
    canceled = change(session, Job, job_id, *conditions, **_ended("canceled"), **_no_result)
    if canceled:
        counting.became(session, "canceled", Canceled.code)
        notifications.add(session, job_id)
    return canceled


def _queued(pause_s: float) -> dict[str, Any]:
    not_before = now() + int(pause_s * SECOND) if pause_s else 0
    return {**_no_lease, "state": "queued", "not_before": not_before, "announced_until": 0, "percent": 0, "done_s": 0.0}


def _again(transfer: Transfer | None, pause_s: float) -> dict[str, Any]:
    """The values of another try: of the conversion, or of a transfer, whose state stays as it is."""
    values = _queued(pause_s)
    return values if transfer is None else {**_no_lease, "not_before": values["not_before"]}


def _pause_s(error: Video2mp3Error, failures: int) -> float:
    """Returns how long to wait before another try; 0 when there is to be none."""
    if isinstance(error, Unreachable) and failures < UNREACHABLE_LIMIT:
        return backoff_s(failures, first_s=FIRST_UNREACHABLE_BACKOFF_S, factor=4)
    if isinstance(error, EngineError) and failures < FAILURES_LIMIT:
        first_s = FIRST_DAMAGE_BACKOFF_S if isinstance(error, UploadDamaged) else FIRST_FAILURE_BACKOFF_S
        return backoff_s(failures, first_s=first_s)
    return 0


def _ended(state: str) -> dict[str, Any]:
    return {**_no_lease, "state": state, "transfer": None, "ended_at": now()}


def _finished(lifetime_s: int) -> dict[str, Any]:
    return {**_ended("finished"), "expires_at": now() + lifetime_s * SECOND}


def _failed(error: Video2mp3Error) -> dict[str, Any]:
    return {**_ended("failed"), **_no_result, "error_code": error.code, "error_detail": error.detail}
