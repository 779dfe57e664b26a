"""Changes by the worker that holds a job: claim, heartbeat, and every way in which a claim ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from video2mp3.backoff import backoff_s
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change
from video2mp3.database.tables import Job, Upload
from video2mp3.engine import ResolvedOptions, Waveform
from video2mp3.errors import Canceled, EngineError, Unavailable, Unreachable, UploadDamaged, Video2mp3Error
from video2mp3.jobs import counting, fair_queueing
from video2mp3.jobs.early import wait_for_end
from video2mp3.jobs.lifecycle import states
from video2mp3.jobs.lifecycle.endings import job_ended
from video2mp3.jobs.lifecycle.states import (
    FAILURES_LIMIT,
    FIRST_DAMAGE_BACKOFF_S,
    FIRST_FAILURE_BACKOFF_S,
    FIRST_OUTAGE_BACKOFF_S,
    FIRST_UNREACHABLE_BACKOFF_S,
    MAX_OUTAGE_BACKOFF_S,
    PRIORITIES,
    UNREACHABLE_LIMIT,
    Transfer,
)
from video2mp3.jobs.sources import STALLS_LIMIT
from video2mp3.jobs.waveforms import row


@dataclass(frozen=True)
class Claim:
    """A job that a worker holds as long as its `fence` equals the row's."""

    job_id: str
    fence: int
    user_id: str
    upload_id: str | None
    source_name: str
    options: ResolvedOptions
    cover_upload_id: str | None = None
    request_id: str | None = None
    """Of the request that created the job."""
    traceparent: str | None = None
    source_url: str | None = None
    """Where to fetch the upload from."""
    result_url: str | None = None
    """Where to send the result."""
    transfer: Transfer | None = None
    """What the worker holds: the conversion (None), the fetch of its file, or the sending of its result."""
    fetched_bytes: int | None = None
    """Bytes read from `source_url`, if the upload was fetched for this job."""
    result_size_bytes: int | None = None


@dataclass(frozen=True)
class NewResult:
    """What a worker has stored for a job that it holds."""

    key: str
    """Of the object."""
    sha256: str
    """Of the whole object."""
    checksums: bytes
    """Of its blocks, see `storage/checksums.py`."""
    size_bytes: int
    duration_s: float
    report: Mapping[str, Any] = field(default_factory=dict)
    source_duration_s: float | None = None
    waveforms: Mapping[int, Waveform] = field(default_factory=dict)
    """By the number of the MP3 in a ZIP; 0: the result is one MP3."""


def claim(session: Session, job_id: str, worker_id: str) -> Claim | None:
    """Claims a queued job for a worker; None if it is not queued or not due, as when another worker has claimed it."""
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
        lease_until=now() + states.LEASE_S * SECOND,
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
    """Claims a job for a worker that fetches its file or sends its result; None if that is no longer due."""
    taken = change(
        session,
        Job,
        job_id,
        Job.transfer == transfer,
        Job.lease_until.is_(None),
        Job.not_before <= now(),
        fence=Job.fence + 1,
        lease_owner=worker_id,
        lease_until=now() + states.LEASE_S * SECOND,
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
    """Queues a job with the upload that was fetched for it; False if the job was lost or canceled."""
    return _leave(
        session,
        claim,
        Job.transfer == "fetch",
        **states.queued(0),
        transfer=None,
        blocked_reason=None,
        upload_id=upload.id,
        source_size_bytes=upload.received_bytes,
        fetched_bytes=read_bytes,
    )


def heartbeat(session: Session, claim: Claim, *, percent: int, done_s: float) -> Literal["held", "cancel", "lost"]:
    """Renews the lease and records the progress; `done_s` is in seconds of audio.

    Returns:
        `held`: continue; `cancel`: the owner has canceled the job; `lost`: the worker no longer holds the job.
    """
    lease_until = now() + states.LEASE_S * SECOND
    progress = {} if claim.transfer else {"percent": percent, "done_s": done_s}
    if not change(session, Job, claim.job_id, *_held(claim), lease_until=lease_until, **progress):
        return "lost"
    canceled = session.scalar(select(Job.cancel_requested).where(Job.id == claim.job_id))
    return "cancel" if canceled else "held"


def finish(session: Session, claim: Claim, result: NewResult, *, retention_s: int) -> bool:
    """Finishes a job with its stored result, which is deleted `retention_s` seconds later.

    A job with a `result_url` is not finished yet: a worker has to send its result first, see `sent`.

    Returns False if the job was lost or canceled: then no row refers to the object. It is safe to call this again after
    the response was lost: it returns True if the job was finished with this object.
    """
    is_sent = claim.result_url is not None
    ended = {**states.no_lease, "transfer": "send", "not_before": 0} if is_sent else _finished(retention_s)
    finished = _leave(
        session,
        claim,
        Job.transfer.is_(None),
        **ended,
        result_key=result.key,
        result_sha256=result.sha256,
        result_checksums=result.checksums,
        result_size_bytes=result.size_bytes,
        result_duration_s=result.duration_s,
        source_duration_s=result.source_duration_s,
        report=result.report,
        percent=100,
        done_s=result.duration_s,
    )
    if finished:
        if not is_sent:
            job_ended(session, claim.job_id)
        session.add_all(row(claim.job_id, number, waveform) for number, waveform in result.waveforms.items())
    elif states.cancel_where(session, claim.job_id, *_held(claim), states.cancel_requested):
        return False
    else:
        finished = session.scalar(select(Job.result_key).where(Job.id == claim.job_id)) == result.key
    if finished and not is_sent:
        counting.became(session, "finished")
    return finished


def sent(session: Session, claim: Claim, *, retention_s: int) -> bool:
    """Finishes a job whose result was sent; False if it was lost or canceled. It is safe to call this again."""
    if _leave(session, claim, Job.transfer == "send", **_finished(retention_s)):
        job_ended(session, claim.job_id)
        counting.became(session, "finished")
        return True
    now_is = (Job.id == claim.job_id, Job.fence == claim.fence, Job.state == "finished")
    return session.scalar(select(Job.id).where(*now_is)) is not None


def fail(session: Session, claim: Claim, error: Video2mp3Error) -> bool:
    """Ends an attempt with an error, whose family decides the job's next state (see `errors.py`).

    Returns False if the job was lost.
    """
    held = _held(claim)
    counts = session.execute(select(Job.failures, Job.lost_leases).where(Job.id == claim.job_id, *held)).one_or_none()
    if counts is None:
        return False
    if isinstance(error, Canceled):
        return states.cancel_where(session, claim.job_id, *held)
    if isinstance(error, Unavailable):
        # Every claim ended with a failure, a lost lease or an outage (or a release or a fetch, which are few).
        outages = claim.fence - 1 - counts.failures - counts.lost_leases
        pause_s = backoff_s(outages + 1, first_s=FIRST_OUTAGE_BACKOFF_S, max_s=MAX_OUTAGE_BACKOFF_S)
        return _give_back(session, claim, error.code, **states.again(claim.transfer, pause_s))
    failures = counts.failures + isinstance(error, EngineError | Unreachable)
    if pause_s := _pause_s(error, failures):
        return _give_back(session, claim, error.code, **states.again(claim.transfer, pause_s), failures=failures)
    if _leave(session, claim, **states.failed(error), failures=failures):
        counting.became(session, "failed", error.code)
        job_ended(session, claim.job_id)
        return True
    return states.cancel_where(session, claim.job_id, *held, states.cancel_requested)


def release(session: Session, claim: Claim) -> bool:
    """Returns a job to the queue at once without counting a failure; False if it was lost."""
    return _give_back(session, claim, "", **states.again(claim.transfer, 0))


def wait_again(session: Session, claim: Claim) -> bool:
    """Lets a job wait again for a stalled upload without counting a failure; False if it was lost.

    After the second stall, conversions of the upload start only at its end.
    """
    upload = session.get(Upload, claim.upload_id, populate_existing=True, with_for_update=True)
    # Locked, so that its last chunk cannot be listed in between, which would leave the job waiting.
    state = "waiting" if upload is not None and upload.state == "open" else "queued"
    if not _give_back(session, claim, "", **{**states.queued(0), "state": state}):
        return False
    if upload is not None and state == "waiting":
        upload.stalls += 1
        if upload.stalls >= STALLS_LIMIT:
            wait_for_end(session, upload.id, "upload_too_slow")
    return True


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    state = "waiting" if claim.transfer == "fetch" else "processing"
    return (Job.fence == claim.fence, Job.state == state, Job.lease_until.is_not(None))


def _leave(session: Session, claim: Claim, *conditions: ColumnElement[bool], **values: Any) -> bool:
    """Ends a lease, unless the job was lost or its owner has canceled it."""
    return change(session, Job, claim.job_id, *_held(claim), states.not_canceled, *conditions, **values)


def _give_back(session: Session, claim: Claim, code: str, **values: Any) -> bool:
    """Queues a job again, or lets it wait; if its owner has canceled it, cancels it.

    `cancel_requested` is never reset, so there is no race between the two statements.
    """
    if _leave(session, claim, **values):
        counting.became(session, "queued", code)
        return True
    return states.cancel_where(session, claim.job_id, *_held(claim), states.cancel_requested)


def _pause_s(error: Video2mp3Error, failures: int) -> float:
    """Returns how long to wait before the next attempt; 0 if there is none."""
    if isinstance(error, Unreachable) and failures < UNREACHABLE_LIMIT:
        return backoff_s(failures, first_s=FIRST_UNREACHABLE_BACKOFF_S, factor=4)
    if isinstance(error, EngineError) and failures < FAILURES_LIMIT:
        first_s = FIRST_DAMAGE_BACKOFF_S if isinstance(error, UploadDamaged) else FIRST_FAILURE_BACKOFF_S
        return backoff_s(failures, first_s=first_s)
    return 0


def _finished(retention_s: int) -> dict[str, Any]:
    return {**states.ended("finished"), "expires_at": now() + retention_s * SECOND}
