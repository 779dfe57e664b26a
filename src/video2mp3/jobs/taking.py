"""Taking a job for a free slot."""

from sqlalchemy import select

from video2mp3.database.connection import Database
from video2mp3.database.statements import change
from video2mp3.database.tables import Job
from video2mp3.jobs import fair_queueing, lifecycle
from video2mp3.jobs.lifecycle import Claim


def take_next(database: Database, announced_job_id: str, worker_id: str) -> Claim | None:
    """Claims the job whose turn it is; None when none is due.

    A message says that something is due. The job that it names was chosen when the message was sent, so it may be
    another one's turn by now: the broker's order decides nothing.

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
        # Another worker was quicker, which took one off the queue.
    if job_id != announced_job_id:
        _hand_on(database, announced_job_id, announced_until)
    return claim


def take_for_newcomer(database: Database, worker_id: str) -> Claim | None:
    """Claims the next job of the users who hold no slot; None when there is none, or another was quicker.

    Its message stays in the queue: who receives it takes the job whose turn it is then.

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
    """Gives the message of the job that was taken to the one whose message led to it.

    So there are as many messages as announced jobs; where there was no message, the relay sends another at once. In a
    separate transaction: two workers that take each other's jobs cannot block each other.
    """
    with database.write() as session:
        change(session, Job, job_id, Job.state == "queued", announced_until=announced_until)
