"""Claims a job for a free slot."""

from sqlalchemy import case, select

from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.statements import change
from video2mp3.database.tables import Job
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
            announced_until = session.scalar(select(Job.announced_until).where(Job.id == job_id)) or 0
            claim = lifecycle.claim(session, job_id, worker_id)
        if claim is not None:
            break
        # Another worker was faster and has claimed this job.
    if job_id != announced_job_id:
        _hand_on(database, announced_job_id, announced_until)
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


def _hand_on(database: Database, job_id: str, announced_until: int) -> None:
    """Moves the announcement of the claimed job to the job whose message led to the claim.

    So there are as many messages as announced jobs. If the claimed job had no message, the relay sends another one at
    once: for the job of this message, or, if another worker has claimed that meanwhile by the message of a third job,
    for any announced one. An announcement only ever becomes shorter, because other workers hand on theirs at the same
    time. In separate transactions, so that two workers that claim each other's jobs cannot deadlock.
    """
    is_queued, is_later = Job.state == "queued", Job.announced_until > announced_until
    shorter = case((is_later, announced_until), else_=Job.announced_until)
    with database.write() as session:
        if change(session, Job, job_id, is_queued, announced_until=shorter):
            return
    with database.write() as session:
        other_id = session.scalar(select(Job.id).where(is_queued, is_later, now() >= announced_until).limit(1))
        if other_id is not None:
            change(session, Job, other_id, is_queued, announced_until=announced_until)
