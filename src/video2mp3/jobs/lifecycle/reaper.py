"""Changes that any process may make at any time: expired leases, jobs that wait in vain, expired results."""

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import now
from video2mp3.database.statements import change
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import UploadDeleted, WorkerLost
from video2mp3.jobs import counting
from video2mp3.jobs.lifecycle import states
from video2mp3.jobs.lifecycle.endings import job_ended
from video2mp3.jobs.lifecycle.states import LOST_LEASES_LIMIT, Transfer
from video2mp3.jobs.waveforms import delete_of

# Rows that one transaction of the reaper changes.
_REAPED_AT_ONCE = 100


def reap(session: Session) -> int:
    """Requeues jobs of lost workers, and fails jobs whose upload was deleted or has expired.

    Returns the number of jobs changed, at most a hundred of each kind.
    """
    expired = (*states.leased, Job.lease_until <= now())
    columns = (Job.id, Job.fence, Job.lost_leases, Job.transfer)
    rows = session.execute(select(*columns).where(*expired).limit(_REAPED_AT_ONCE)).all()
    # One by one, in the order of their ids, so that reapers in several processes cannot deadlock.
    taken_back = [
        _take_back(session, row.id, row.fence, row.lost_leases + 1, row.transfer)
        for row in sorted(rows, key=lambda row: row.id)
    ]
    return sum(taken_back) + _fail_in_vain(session)


def _take_back(session: Session, job_id: str, fence: int, lost_leases: int, transfer: Transfer | None) -> bool:
    """Ends one expired lease, unless a heartbeat came in between."""
    lost = (Job.fence == fence, *states.leased, Job.lease_until <= now())
    values = states.again(transfer, 0) if lost_leases < LOST_LEASES_LIMIT else states.failed(WorkerLost())
    if not change(session, Job, job_id, *lost, states.not_canceled, **values, lost_leases=lost_leases):
        return states.cancel_where(session, job_id, *lost, states.cancel_requested)
    state = values.get("state", "queued")
    counting.became(session, state, WorkerLost.code)
    if state == "failed":
        job_ended(session, job_id)
    return True


def _fail_in_vain(session: Session) -> int:
    is_deleted = or_(Upload.id.is_(None), (Upload.state != "complete") & (Upload.expires_at <= now()))
    waiting = (
        select(Job.id)
        .outerjoin(Upload, Upload.id == Job.upload_id)
        .where(Job.state == "waiting", Job.transfer.is_(None), is_deleted)
        .limit(_REAPED_AT_ONCE)
    )
    changed = 0
    for job_id in sorted(session.scalars(waiting)):
        if change(session, Job, job_id, Job.state == "waiting", **states.failed(UploadDeleted())):
            counting.became(session, "failed", UploadDeleted.code)
            job_ended(session, job_id)
            changed += 1
    return changed


def expire(session: Session, limit: int) -> tuple[int, list[str]]:
    """Removes up to `limit` expired results from their rows.

    Returns how many it found, and the storage keys to delete after the commit, without those that another process took.

    The row stays, with its report; its `expires_at` and its waveforms are deleted with the result.
    """
    over = (Job.expires_at <= now(), Job.result_key.is_not(None))
    rows = session.execute(select(Job.id, Job.result_key).where(*over).order_by(Job.expires_at).limit(limit)).all()
    expired = [
        one for one in rows if change(session, Job, one.id, Job.result_key == one.result_key, **states.no_result)
    ]
    delete_of(session, [one.id for one in expired])
    return len(rows), [one.result_key for one in expired]
