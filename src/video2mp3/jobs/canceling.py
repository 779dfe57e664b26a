"""Cancels many jobs, a few in each transaction: canceling a thousand in one would block all other writers."""

from contextlib import suppress

from sqlalchemy import ColumnElement, select

from video2mp3.database.connection import Database
from video2mp3.database.tables import Job
from video2mp3.errors import Conflict
from video2mp3.jobs import lifecycle

_AT_ONCE = 10


def cancel_all(database: Database, user_id: str, *conditions: ColumnElement[bool]) -> None:
    """Cancels a user's active jobs that meet the conditions; a worker that holds one ends it within seconds."""
    unended = (Job.user_id == user_id, Job.state.not_in(lifecycle.ENDED), Job.cancel_requested.is_(False), *conditions)
    while True:
        with database.write() as session:
            job_ids = session.scalars(select(Job.id).where(*unended).limit(_AT_ONCE)).all()
            for job_id in job_ids:
                # A job may end concurrently.
                with suppress(Conflict):
                    lifecycle.cancel(session, job_id, user_id)
        if len(job_ids) < _AT_ONCE:
            return
