"""Jobs that may start before their upload is complete."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from video2mp3.database.statements import change_all
from video2mp3.database.tables import Job
from video2mp3.engine import ResolvedOptions
from video2mp3.errors import BlockedReason


def may_be_early(upload_id: str) -> tuple[ColumnElement[bool], ...]:
    """The conditions for jobs that wait for an upload, and need not wait for its end."""
    return (Job.upload_id == upload_id, Job.state == "waiting", Job.blocked_reason.is_(None))


def candidates(session: Session, upload_id: str) -> list[ResolvedOptions]:
    """Returns the options of those jobs."""
    return list(session.scalars(select(Job.options).where(*may_be_early(upload_id))))


def wait_for_end(session: Session, upload_id: str, reason: BlockedReason) -> None:
    """Notes why they begin only when the upload is complete."""
    change_all(session, Job, *may_be_early(upload_id), blocked_reason=reason)
