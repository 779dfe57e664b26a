"""Limits on what one user may store and upload at the same time."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import lock_user
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import QuotaExceeded, TooManyUploads

ACTIVE_S = 3600
"""After this long without a byte, an open upload no longer counts as being sent: only its bytes count."""


@dataclass(frozen=True)
class UploadLimits:
    """The limits for each user."""

    uploads_at_once: int
    stored_bytes: int
    """Bytes of uploads and results; an upload that is being sent counts with its declared size."""
    stored_uploads: int = 10_000
    """Number of uploads of any size, also empty ones: each needs a row and a list of chunks."""


@dataclass(frozen=True)
class Used:
    """The storage that one user occupies."""

    uploads: int
    """Uploads that are being sent."""
    bytes: int
    """Bytes of uploads and results."""
    stored_uploads: int
    """All uploads that have not expired."""


def check_storage_quota(
    session: Session, user_id: str, limits: UploadLimits, size_bytes: int, *, resumed_id: str | None = None
) -> int:
    """Checks whether the user may send a file of that size (0: not known); returns the bytes left.

    `resumed_id` is an upload that the request resumes: it does not count.

    If the caller creates the upload in the same transaction, concurrent requests see each other's uploads. Files of
    unknown size are counted while they are received, so together they can exceed the limit by what is in flight.

    Raises:
        TooManyUploads: when the user sends too many files at the same time.
        QuotaExceeded: when the quota leaves no room for the bytes, or for another upload.
    """
    lock_user(session, user_id)
    used = count_used(session, user_id, besides=resumed_id)
    if used.uploads >= limits.uploads_at_once:
        raise TooManyUploads
    if used.stored_uploads >= limits.stored_uploads:
        raise QuotaExceeded(f"Your account has {used.stored_uploads} uploads; delete some, or wait until some expire.")
    left_bytes = limits.stored_bytes - used.bytes
    if left_bytes <= 0 or left_bytes < size_bytes:
        raise QuotaExceeded
    return left_bytes


def count_used(session: Session, user_id: str, *, besides: str | None = None) -> Used:
    """Returns what the user has stored; `besides` is an upload that does not count."""
    sent_now = _sent_now()
    size = case((sent_now, func.coalesce(Upload.size_bytes, Upload.received_bytes)), else_=Upload.received_bytes)
    others = (Upload.user_id == user_id, *([Upload.id != besides] if besides else []))
    sending, stored, uploaded_bytes = session.execute(
        select(func.count(case((sent_now, 1))), func.count(), func.coalesce(func.sum(size), 0)).where(*others)
    ).one()
    return Used(int(sending), int(uploaded_bytes) + _result_bytes(session, user_id), int(stored))


def _sent_now() -> ColumnElement[bool]:
    return and_(Upload.state == "open", Upload.active_at > now() - ACTIVE_S * SECOND)


def _result_bytes(session: Session, user_id: str) -> int:
    # Stored results have an `expires_at`. The index `ix_jobs_user_state` covers this query.
    stored = (Job.user_id == user_id, Job.state == "finished", Job.expires_at.is_not(None))
    return int(session.scalar(select(func.sum(Job.result_size_bytes)).where(*stored)) or 0)
