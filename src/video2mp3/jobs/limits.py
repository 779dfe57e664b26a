"""Quotas for waiting jobs, per user and in total."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from video2mp3.database.tables import Job
from video2mp3.errors import Overloaded, TooManyJobs

# Jobs that send their result count, because they may wait long for an unreachable server.
_COUNTED = (Job.state == "waiting", Job.state == "queued", Job.transfer == "send")


@dataclass(frozen=True)
class JobLimits:
    """Maximum number of jobs that wait for their uploads, for a worker, or for the server that receives the result."""

    of_a_user: int
    of_all: int


def check_job_quota(session: Session, user_id: str, limits: JobLimits, more: int = 1) -> None:
    """Checks whether the user may submit `more` jobs.

    The user's limit is exact if the job is created in the same transaction, after `lock_user`. Concurrent requests can
    exceed the other limit by their number.

    Raises:
        TooManyJobs: when the user has too many.
        Overloaded: when all users together have too many.
    """
    if _reaches(session, limits.of_a_user - more + 1, Job.user_id == user_id):
        raise TooManyJobs
    if _reaches(session, limits.of_all - more + 1):
        raise Overloaded


def count_waiting(session: Session, user_id: str) -> int:
    """Returns how many of the user's jobs wait, of those that `JobLimits.of_a_user` counts."""
    counted = (select(func.count()).select_from(Job).where(Job.user_id == user_id, counts) for counts in _COUNTED)
    return sum(session.scalars(count).one() for count in counted)


def _reaches(session: Session, limit: int, *of: ColumnElement[bool]) -> bool:
    # One look into the index for each state: for both at once SQLite would read the whole table. No further than the
    # limit.
    if limit <= 0:
        return True
    waiting = 0
    for counts in _COUNTED:
        found = select(Job.id).where(counts, *of).limit(limit - waiting).subquery()
        waiting += session.scalars(select(func.count()).select_from(found)).one()
        if waiting >= limit:
            return True
    return False
