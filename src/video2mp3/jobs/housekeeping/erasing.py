"""Erases deleted accounts with all their data: the objects, then the rows, the account's row last.

Any number of processes may do so at once. If one dies, another continues; objects whose rows were deleted before are
orphans, which the sweeper finds.
"""

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import Job, Upload, UploadChunk, User
from video2mp3.jobs import lifecycle
from video2mp3.jobs.canceling import cancel_all
from video2mp3.storage import Storage

log = structlog.get_logger()

# Rows that one transaction deletes.
_AT_ONCE = 100


def erase_deleted(database: Database, storage: Storage) -> int:
    """Erases deleted accounts; returns how many. Jobs that a worker still holds are left for the next run."""
    with database.read() as session:
        deleted = session.scalars(select(User.id).where(User.deleted_at.is_not(None)).order_by(User.id)).all()
    return sum(_erase(database, storage, user_id) for user_id in deleted)


def _erase(database: Database, storage: Storage, user_id: str) -> bool:
    # A request that was admitted before may have created one more.
    cancel_all(database, user_id)
    for take in (_take_jobs, _take_chunks):
        while True:
            with database.write() as session:
                taken, keys = take(session, user_id)
            for key in keys:
                storage.delete(key)
            if not taken:
                break
    with database.write() as session:
        erased = rows_changed(session, delete(User).where(User.id == user_id, *_is_empty(user_id))) > 0
    if erased:
        log.info("account_erased", user_id=user_id)
    return erased


def _take_jobs(session: Session, user_id: str) -> tuple[int, list[str]]:
    """Deletes some ended jobs; returns their number and the keys of their results."""
    ended = (Job.user_id == user_id, Job.state.in_(lifecycle.ENDED))
    rows = session.execute(select(Job.id, Job.result_key).where(*ended).limit(_AT_ONCE)).all()
    taken = rows_changed(session, delete(Job).where(Job.id.in_([row.id for row in rows]))) if rows else 0
    return taken, [row.result_key for row in rows if row.result_key]


def _take_chunks(session: Session, user_id: str) -> tuple[int, list[str]]:
    """Deletes some chunks of uploads that no job needs any more; returns their number and their keys."""
    needed = select(Job.id).where(Job.user_id == user_id).exists()
    mine = select(UploadChunk.storage_key).join(Upload, Upload.id == UploadChunk.upload_id)
    keys = session.scalars(mine.where(Upload.user_id == user_id, ~needed).limit(_AT_ONCE)).all()
    taken = rows_changed(session, delete(UploadChunk).where(UploadChunk.storage_key.in_(keys))) if keys else 0
    return taken, list(keys)


def _is_empty(user_id: str) -> tuple[ColumnElement[bool], ...]:
    chunks = select(UploadChunk.upload_id).join(Upload, Upload.id == UploadChunk.upload_id)
    return (
        ~select(Job.id).where(Job.user_id == user_id).exists(),
        ~chunks.where(Upload.user_id == user_id).exists(),
    )
