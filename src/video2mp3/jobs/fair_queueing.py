"""Weighted fair queueing: which of the queued jobs a free slot takes.

Users share the slots, whatever the priorities of their jobs. A free slot takes a job of the user whose running jobs
cost least; among equals, of the user whose next job has the lowest start tag on one virtual clock (start-time fair
queueing: Goyal, Vin and Cheng, 1996, with the users as flows). A job's start tag is max(virtual time, its user's last
finish tag). Its finish tag is the start tag plus the job's cost. The virtual time is the greatest start tag that was
served. So an idle user gains neither credit nor debt. A job gets its tags when it is claimed, so it gains nothing by
waiting for an upload or for another attempt.

Priorities order a user's own jobs. Between users they are weights: a job of priority `high` costs a quarter of a normal
one, so it is served four times as often and counts a quarter of a slot; one of priority `low` costs four times as much.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from video2mp3.database.clock import now
from video2mp3.database.tables import Job, User

COSTS = (1, 4, 16)
"""Costs of a job by priority (an index of `lifecycle.PRIORITIES`): whole numbers, so that tags stay exact."""


def next_job(session: Session) -> str | None:
    """Returns the id of the due job that the next free slot takes; None when none is due."""
    oldest = _oldest_queued(session)
    held = _held(session) if len(oldest) > 1 else {}
    return _next_of(session, oldest, held)


def next_job_of_newcomer(session: Session) -> str | None:
    """Returns the id of the next due job among users who hold no slot; None if there is none."""
    held = _held(session)
    if not _has_queued_besides(session, sorted(held)):
        return None
    oldest = {user_id: job_id for user_id, job_id in _oldest_queued(session).items() if user_id not in held}
    return _next_of(session, oldest, {})


def _next_of(session: Session, oldest: Mapping[str, str], held: Mapping[str, int]) -> str | None:
    """Returns the next due job among these users."""
    starts = _virtual_starts(session) if len(oldest) > 1 else {}
    # Users without a tag are at the virtual time, which is below all tags; the oldest job comes first.
    in_order = sorted(oldest, key=lambda user_id: (held.get(user_id, 0), starts.get(user_id, -1), oldest[user_id]))
    return next((job_id for user_id in in_order if (job_id := _first_due(session, user_id))), None)


def charge(session: Session, user_id: str, priority: int) -> None:
    """Sets the tags of a job; call it in the transaction that claims the job."""
    virtual_time = _virtual_time(session)
    start = case((User.virtual_finish > virtual_time, User.virtual_finish), else_=virtual_time)
    # MySQL assigns from left to right: the start tag first, because it depends on the previous job's finish tag.
    tags = ((User.virtual_start, start), (User.virtual_finish, start + COSTS[priority]))
    statement = update(User).where(User.id == user_id).ordered_values(*tags)
    session.execute(statement, execution_options={"synchronize_session": False})


def _virtual_time(session: Session) -> int:
    return session.scalar(select(func.max(User.virtual_start))) or 0


def _virtual_starts(session: Session) -> dict[str, int]:
    """The start tags of the users' next jobs, if above the virtual time: of users who were served lately."""
    ahead = User.virtual_finish > _virtual_time(session)
    return {row.id: row.virtual_finish for row in session.execute(select(User.id, User.virtual_finish).where(ahead))}


def _held(session: Session) -> dict[str, int]:
    """The cost of each user's running jobs."""
    held: dict[str, int] = {}
    # A job whose result is being sent holds no slot any more.
    running = (Job.state == "processing", Job.transfer.is_(None))
    for user_id, priority in session.execute(select(Job.user_id, Job.priority).where(*running)):
        held[user_id] = held.get(user_id, 0) + COSTS[priority]
    return held


def _oldest_queued(session: Session) -> dict[str, str]:
    """The users with queued jobs, and the id of the oldest.

    Grouped like the index `ix_jobs_schedule`, in which MySQL then reads one entry per group.
    """
    groups = select(Job.user_id, func.min(Job.id)).where(Job.state == "queued").group_by(Job.user_id, Job.priority)
    oldest: dict[str, str] = {}
    for user_id, job_id in session.execute(groups):
        oldest[user_id] = min(job_id, oldest.get(user_id, job_id))
    return oldest


def _has_queued_besides(session: Session, user_ids: Sequence[str]) -> bool:
    """Returns whether any other user has queued jobs. `user_ids` are sorted: it searches the gaps between them.

    It is called often, so each search reads one entry of the index, however many jobs these users have queued.
    """
    for above, below in pairwise([None, *user_ids, None]):
        gap = [Job.state == "queued"]
        gap += [Job.user_id > above] if above is not None else []
        gap += [Job.user_id < below] if below is not None else []
        if session.scalar(select(Job.id).where(*gap).limit(1)) is not None:
            return True
    return False


def _first_due(session: Session, user_id: str) -> str | None:
    due = (Job.state == "queued", Job.user_id == user_id, Job.not_before <= now())
    first = select(Job.id).where(*due).order_by(Job.priority, Job.id).limit(1)
    # Without the hint, MySQL may read and sort all of the user's rows.
    for dialect in ("mysql", "mariadb"):
        first = first.with_hint(Job, "FORCE INDEX (ix_jobs_schedule)", dialect)
    return session.scalar(first)
