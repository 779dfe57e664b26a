"""What one user may store, and send at once."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import lock_user
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import QuotaExceeded, TooManyUploads

ACTIVE_S = 3600
"""An open upload to which nothing came for this long is not being sent any more: only its bytes count."""


@dataclass(frozen=True)
class UploadLimits:
    """For each user."""

    uploads_at_once: int
    stored_bytes: int
    """Of uploads and results; an upload that is being sent counts with the size that was declared."""
    stored_uploads: int = 10_000
    """Uploads of any size, also empty ones: each is a row, and a list of chunks."""


@dataclass(frozen=True)
class Used:
    """What one user has."""

    uploads: int
    """Files that are being sent."""
    bytes: int
    """Of uploads and results."""
    stored_uploads: int
    """All uploads that have not expired."""


def check_storage_quota(
    session: Session, user_id: str, limits: UploadLimits, size_bytes: int, *, resumed_id: str | None = None
) -> int:
    """Checks whether the user may begin to send a file of that size (0: not known); returns the bytes left.

    `resumed_id` is the upload that is gone on with: it is not counted beside itself.

    Of requests at the same time each sees those before it, when the upload is made in the same transaction. Only files
    of a size that is not known are counted as they come: together they can pass the limit by what is sent at once.

    Raises:
        TooManyUploads: when the user sends too many at once.
        QuotaExceeded: when there is no room for so many bytes, or for one upload more.
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
    """Returns what the user has of what `UploadLimits` limits; `besides` is an upload that is not counted."""
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
    # Those that are stored yet have an `expires_at`; the index `ix_jobs_user_state` answers this alone.
    stored = (Job.user_id == user_id, Job.state == "finished", Job.expires_at.is_not(None))
    return int(session.scalar(select(func.sum(Job.result_size_bytes)).where(*stored)) or 0)
