"""Claims a job for a free slot."""

from contextlib import suppress

from sqlalchemy import select

from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.statements import change
from video2mp3.database.tables import Job
from video2mp3.errors import DatabaseUnavailable
from video2mp3.jobs import fair_queueing, lifecycle
from video2mp3.jobs.lifecycle import Claim


def take_next(database: Database, announced_job_id: str, worker_id: str) -> Claim | None:
    """Claims the next job by fair queueing; None if none is due.

    A message says only that some job is due. The job that it names was chosen when the message was sent, so another one
    may be next by now: the broker's order decides nothing.

    Raises:
        DatabaseUnavailable: when the database does not answer.
    """
    while True:
        with database.write() as session:
            job_id = fair_queueing.next_job(session)
            if job_id is None:
                return None
            # Locked, because another worker may be handing on its announcement to this job.
            announcement = select(Job.announced_until, Job.announced_until > now()).where(Job.id == job_id)
            announced_until, had_message = session.execute(announcement.with_for_update()).one_or_none() or (0, False)
            claim = lifecycle.claim(session, job_id, worker_id)
        if claim is not None:
            break
        # Another worker was faster and has claimed this job.
    if job_id != announced_job_id:
        # The claim stands, and the relay announces every job again after a minute.
        with suppress(DatabaseUnavailable):
            _hand_on(database, announced_job_id, announced_until, had_message=bool(had_message))
    return claim


def take_for_newcomer(database: Database, worker_id: str) -> Claim | None:
    """Claims the next job of a user who holds no slot; None if there is none, or another worker was faster.

    Its message stays in the queue: the worker that receives it claims the job that is next then.

    Raises:
        DatabaseUnavailable: when the database does not answer.
    """
    with database.read() as session:
        job_id = fair_queueing.next_job_of_newcomer(session)
    if job_id is None:
        return None
    with database.write() as session:
        return lifecycle.claim(session, job_id, worker_id)


def _hand_on(database: Database, job_id: str, announced_until: int, *, had_message: bool) -> None:
    """Moves the announcement of the claimed job to the job whose message led to the claim.

    So there are at least as many messages as announced jobs. If the claimed job had no message, the relay sends another
    one at once: for the job of this message, or, if that is not announced any more because other workers claim and hand
    on at the same time, for any announced one. In separate transactions, so that two workers that claim each other's
    jobs cannot deadlock.
    """
    is_announced = (Job.state == "queued", Job.announced_until > now())
    is_later = Job.announced_until > announced_until
    with database.write() as session:
        if change(session, Job, job_id, *is_announced, is_later, announced_until=announced_until):
            return
    while not had_message:
        with database.write() as session:
            other_id = session.scalar(select(Job.id).where(*is_announced).limit(1))
            if other_id is None or change(session, Job, other_id, *is_announced, announced_until=announced_until):
                return
