"""The rows of uploads and their chunks. Every change is one conditional statement."""

from sqlalchemy import delete as sql_delete
from sqlalchemy import exists, func, or_, select, update
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import Job, Upload, UploadChunk, new_id
from video2mp3.errors import NotFound, UploadTooLarge, WrongState
from video2mp3.uploads.names import clean_name

CHUNK_SIZE_BYTES = 8 * 1024**2
"""Size of a chunk; only an upload's last, or the last of one request, is smaller."""
MAX_CHUNKS = 10_000
"""Most chunks of one upload: its list must stay quick to read."""

_not_ended = Job.state.in_(("waiting", "queued", "processing"))
_needed = or_(
    exists().where(Job.upload_id == Upload.id, _not_ended),
    exists().where(Job.cover_upload_id == Upload.id, _not_ended),
)


def create(session: Session, *, user_id: str, name: str, size_bytes: int | None, lifetime_s: int) -> Upload:
    """Makes an open upload without chunks; `name` is cleaned, `size_bytes` is the declared size or None."""
    upload = Upload(
        id=new_id(),
        user_id=user_id,
        name=clean_name(name),
        size_bytes=size_bytes,
        created_at=now(),
        active_at=now(),
        expires_at=now() + lifetime_s * SECOND,
    )
    session.add(upload)
    session.flush()
    session.refresh(upload)
    return upload


def append_chunk(
    session: Session,
    upload_id: str,
    *,
    offset_bytes: int,
    size_bytes: int,
    storage_key: str,
    max_chunks: int = MAX_CHUNKS,
) -> bool:
    """Lists a stored chunk and moves the upload's offset; False when the upload is not open at that offset.

    Of two writers at one offset one gets True. The other's object is not listed: it must delete it.

    Raises:
        UploadTooLarge: when the upload has all the chunks that it may have.
    """
    end_bytes = offset_bytes + size_bytes
    moved = rows_changed(
        session,
        update(Upload)
        .where(
            Upload.id == upload_id,
            Upload.state == "open",
            Upload.received_bytes == offset_bytes,
            or_(Upload.size_bytes.is_(None), Upload.size_bytes >= end_bytes),
        )
        .values(received_bytes=end_bytes, active_at=now()),
    )
    if moved != 1:
        return False
    chunks = select(func.count()).select_from(UploadChunk).where(UploadChunk.upload_id == upload_id)
    if session.scalars(chunks).one() >= max_chunks:
        raise UploadTooLarge(f"The upload came in more than {max_chunks} pieces; send larger ones.")
    session.add(
        UploadChunk(upload_id=upload_id, offset_bytes=offset_bytes, size_bytes=size_bytes, storage_key=storage_key)
    )
    session.flush()
    return True


def complete(session: Session, upload_id: str) -> bool:
    """Closes an open upload; False when it is not open, or when bytes of the declared size are missing."""
    closed = rows_changed(
        session,
        update(Upload)
        .where(
            Upload.id == upload_id,
            Upload.state == "open",
            or_(Upload.size_bytes.is_(None), Upload.size_bytes == Upload.received_bytes),
        )
        .values(state="complete", size_bytes=Upload.received_bytes),
    )
    return closed == 1


def find(session: Session, upload_id: str, user_id: str, *, lock: bool = False) -> Upload:
    """Returns the user's upload, as the database has it now.

    With `lock` it cannot be deleted before the transaction ends: for submitting a conversion of it.

    Raises:
        NotFound: when there is none, or when it is another user's.
    """
    upload = session.get(Upload, upload_id, populate_existing=True, with_for_update=lock)
    if upload is None or upload.user_id != user_id:
        raise NotFound
    return upload


def keep(session: Session, upload_id: str, lifetime_s: int) -> None:
    """Lets an upload live for `lifetime_s` seconds from now on, where its end would come before that."""
    until = now() + lifetime_s * SECOND
    rows_changed(
        session, update(Upload).where(Upload.id == upload_id, Upload.expires_at < until).values(expires_at=until)
    )


def delete(session: Session, upload_id: str, user_id: str) -> list[str]:
    """Deletes the user's upload; returns the storage keys to delete after the commit.

    Raises:
        NotFound: when there is none, or when it is another user's.
        WrongState: while a conversion needs it.
    """
    find(session, upload_id, user_id)
    keys = _keys(session, upload_id)
    # The check is part of the statement: a conversion submitted meanwhile would lose its source.
    if rows_changed(session, sql_delete(Upload).where(Upload.id == upload_id, ~_needed)) != 1:
        raise WrongState("A conversion still needs this upload; cancel it first.")
    return keys


def remove(session: Session, upload_id: str) -> list[str]:
    """Deletes an upload that failed, whoever owns it, unless a conversion needs it.

    Returns the storage keys to delete after the commit.
    """
    keys = _keys(session, upload_id)
    gone = rows_changed(session, sql_delete(Upload).where(Upload.id == upload_id, ~_needed))
    return keys if gone == 1 else []


def delete_expired(session: Session, limit: int) -> list[str]:
    """Deletes up to `limit` expired uploads that no conversion needs; returns the storage keys to delete after."""
    expired = session.scalars(
        select(Upload.id).where(Upload.expires_at <= now(), ~_needed).order_by(Upload.expires_at).limit(limit)
    ).all()
    return [key for upload_id in expired for key in remove(session, upload_id)]


def _keys(session: Session, upload_id: str) -> list[str]:
    return list(session.scalars(select(UploadChunk.storage_key).where(UploadChunk.upload_id == upload_id)))
