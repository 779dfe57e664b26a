"""Changes by a job's owner, and by the end of its upload; look-ups and deletion."""

from sqlalchemy import delete as sql_delete
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import now
from video2mp3.database.statements import change, change_all
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import Conflict, NotFound
from video2mp3.jobs import workers
from video2mp3.jobs.early import may_be_early
from video2mp3.jobs.lifecycle import states
from video2mp3.jobs.lifecycle.endings import ENDED


def upload_completed(session: Session, upload_id: str) -> int:
    """Queues the jobs that waited for an upload; returns their number."""
    complete = select(Upload.id).where(Upload.id == upload_id, Upload.state == "complete").exists()
    waiting = (Job.upload_id == upload_id, Job.state == "waiting", complete)
    return change_all(session, Job, *waiting, state="queued", not_before=now(), blocked_reason=None)


def start_early(session: Session, upload_id: str) -> int:
    """Queues a job that waits for an upload in progress; returns how many: 1 or 0.

    At most half of all slots, and at least one, serve uploads in progress: the others stay for complete ones. Call it
    in a separate transaction: it locks the workers' rows, so that two callers cannot count the same free slot.
    """
    most = max(1, workers.open_slots(session, lock=True) // 2)
    in_progress = select(Upload.id).where(Upload.id == Job.upload_id, Upload.state == "open").exists()
    early = select(func.count()).select_from(Job).where(Job.state.in_(("queued", "processing")), in_progress)
    if session.scalars(early).one() >= most:
        return 0
    candidate = may_be_early(upload_id)
    job_id = session.scalar(select(Job.id).where(*candidate).order_by(Job.id).limit(1))
    return int(job_id is not None and change(session, Job, job_id, *candidate, state="queued", not_before=now()))


def cancel(session: Session, job_id: str, user_id: str) -> Job:
    """Cancels a job: at once, or with its worker's next heartbeat if it is being converted.

    Raises:
        NotFound: when the user has no such job.
        Conflict: when it has ended.
    """
    mine = Job.user_id == user_id
    at_once = or_(Job.state.in_(("waiting", "queued")), (Job.state == "processing") & (Job.transfer == "send"))
    while True:
        if states.cancel_where(session, job_id, mine, at_once) or change(
            session, Job, job_id, mine, Job.state == "processing", cancel_requested=True
        ):
            return find(session, job_id, user_id)
        # A job may change from one of these states to the other between the two statements.
        if find(session, job_id, user_id).state in ENDED:
            raise Conflict("The conversion has ended already.")


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
    session: Session,
    user_id: str,
    *,
    before_id: str | None,
    limit: int,
    search: str | None = None,
    state: str | None = None,
) -> list[Job]:
    """Returns up to `limit` of the user's jobs, the newest first.

    All are older than `before_id`, in that `state`, and have `search` in the source's name or in their tag, if given.
    """
    found = [Job.user_id == user_id]
    if state:
        found.append(Job.state == state)
    if before_id:
        found.append(Job.id < before_id)
    if search:
        # Case-insensitive for ASCII letters only, as in SQLite.
        found.append(or_(*(column.icontains(search, autoescape=True) for column in (Job.source_name, Job.tag))))
    return list(session.scalars(select(Job).where(*found).order_by(Job.id.desc()).limit(limit)))
