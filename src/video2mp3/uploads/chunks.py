"""The rows of uploads and their chunks. Every change is one conditional statement."""

from collections.abc import Sequence

from sqlalchemy import delete as sql_delete
from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change, insert, rows_changed
from video2mp3.database.tables import Job, Upload, UploadChunk, User, new_id
from video2mp3.errors import Conflict, Expired, NotFound, UploadTooLarge
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


def create(
    session: Session,
    *,
    user_id: str,
    name: str,
    size_bytes: int | None,
    lifetime_s: int,
    tus_metadata: str | None = None,
) -> Upload:
    """Creates an open upload without chunks; `name` is cleaned, `size_bytes` is the declared size or None.

    `tus_metadata` is stored unchanged, to be returned to the client.
    """
    return insert(
        session,
        Upload(
            id=new_id(),
            user_id=user_id,
            name=clean_name(name),
            size_bytes=size_bytes,
            tus_metadata=tus_metadata,
            created_at=now(),
            active_at=now(),
            expires_at=now() + lifetime_s * SECOND,
        ),
    )


def append_chunk(
    session: Session,
    upload_id: str,
    *,
    offset_bytes: int,
    size_bytes: int,
    storage_key: str,
    checksums: bytes,
    replaced: Sequence[UploadChunk] = (),
) -> bool:
    """Lists a stored chunk and advances the upload's offset; returns False if the upload is not open at that offset.

    Also returns False if the owner was disabled: otherwise a request that began earlier could continue without limit.

    Of two writers at one offset, one gets True. The other writer must delete its object, which is not listed. The
    object begins with the bytes of the `replaced` chunks, whose rows are deleted. `size_bytes` does not count those
    bytes; `checksums` covers the whole object.

    Raises:
        UploadTooLarge: when the upload has `MAX_CHUNKS` chunks.
    """
    end_bytes = offset_bytes + size_bytes
    owner = select(User.disabled_at).join(Upload, Upload.user_id == User.id).where(Upload.id == upload_id)
    if session.scalar(owner) is not None:
        return False
    fits = or_(Upload.size_bytes.is_(None), Upload.size_bytes >= end_bytes)
    unmoved = (Upload.state == "open", Upload.received_bytes == offset_bytes, fits)
    if not change(session, Upload, upload_id, *unmoved, received_bytes=end_bytes, active_at=now()):
        return False
    if replaced:
        # Every writer advances the offset, so no other writer has changed these chunks since they were read.
        replaced_rows = UploadChunk.offset_bytes.in_([chunk.offset_bytes for chunk in replaced])
        rows_changed(session, sql_delete(UploadChunk).where(UploadChunk.upload_id == upload_id, replaced_rows))
        offset_bytes = replaced[0].offset_bytes
    chunks = select(func.count()).select_from(UploadChunk).where(UploadChunk.upload_id == upload_id)
    if session.scalars(chunks).one() >= MAX_CHUNKS:
        raise UploadTooLarge(f"The upload has more than {MAX_CHUNKS} chunks; send larger ones.")
    session.add(
        UploadChunk(
            upload_id=upload_id,
            offset_bytes=offset_bytes,
            size_bytes=end_bytes - offset_bytes,
            storage_key=storage_key,
            checksums=checksums,
        )
    )
    session.flush()
    return True


def mergeable_chunks(
    session: Session, upload_id: str, *, offset_bytes: int, size_bytes: int, limit_bytes: int
) -> list[UploadChunk]:
    """Returns the small chunks before an offset that are merged with the `size_bytes` bytes after it.

    A chunk is merged if it is at most twice as large as everything after it. So few chunks remain, each byte is copied
    only a few times, and many small requests cannot fill the list. The merged chunk has at most `limit_bytes`.
    """
    before = (UploadChunk.upload_id == upload_id, UploadChunk.offset_bytes < offset_bytes)
    found: list[UploadChunk] = []
    # Each remaining chunk is more than twice as large as the next one, so 32 rows are enough.
    for chunk in session.scalars(
        select(UploadChunk).where(*before).order_by(UploadChunk.offset_bytes.desc()).limit(32)
    ):
        if chunk.size_bytes > 2 * size_bytes or chunk.size_bytes + size_bytes > limit_bytes:
            break
        found.insert(0, chunk)
        size_bytes += chunk.size_bytes
    return found


def complete(session: Session, upload_id: str) -> bool:
    """Completes an open upload; returns False if it is not open, or if bytes of the declared size are missing."""
    whole = (Upload.state == "open", or_(Upload.size_bytes.is_(None), Upload.size_bytes == Upload.received_bytes))
    return change(session, Upload, upload_id, *whole, state="complete", size_bytes=Upload.received_bytes)


def complete_when_whole(session: Session, upload_id: str) -> bool:
    """Completes an open upload if all declared bytes were received; returns whether it did."""
    whole = (Upload.state == "open", Upload.size_bytes == Upload.received_bytes)
    return change(session, Upload, upload_id, *whole, state="complete")


def declare_size(session: Session, upload_id: str, size_bytes: int) -> bool:
    """Sets the size of an upload that has none; returns False if it has another size or more bytes than that."""
    undeclared = or_(Upload.size_bytes.is_(None), Upload.size_bytes == size_bytes)
    return change(session, Upload, upload_id, undeclared, Upload.received_bytes <= size_bytes, size_bytes=size_bytes)


def find(session: Session, upload_id: str, user_id: str, *, lock: bool = False) -> Upload:
    """Returns the user's upload, reread from the database.

    With `lock`, the row stays locked until the transaction ends, so that a conversion can be submitted.

    Raises:
        NotFound: when the user has no such upload.
    """
    upload = session.get(Upload, upload_id, populate_existing=True, with_for_update=lock)
    if upload is None or upload.user_id != user_id:
        raise NotFound
    return upload


def require_unexpired(session: Session, upload: Upload) -> None:
    """Raises Expired if the upload has expired, even if the sweeper has not deleted it yet."""
    if upload.expires_at <= session.scalars(select(now())).one():
        raise Expired("The upload has expired; create a new one.")


def touch(session: Session, upload_id: str) -> None:
    """Records that an upload is receiving bytes."""
    change(session, Upload, upload_id, active_at=now())


def extend_lifetime(session: Session, upload_id: str, lifetime_s: int) -> None:
    """Postpones an upload's expiry to at least `lifetime_s` seconds from now."""
    until = now() + lifetime_s * SECOND
    change(session, Upload, upload_id, Upload.expires_at < until, expires_at=until)


def delete(session: Session, upload_id: str, user_id: str) -> list[str]:
    """Deletes the user's upload; returns the storage keys to delete after the commit.

    Raises:
        NotFound: when the user has no such upload.
        Conflict: while a conversion needs it.
    """
    find(session, upload_id, user_id)
    keys = _keys(session, upload_id)
    # The statement includes the check: otherwise a conversion submitted in between would lose its source.
    if rows_changed(session, sql_delete(Upload).where(Upload.id == upload_id, ~_needed)) != 1:
        raise Conflict("A conversion still needs this upload; cancel it first.")
    return keys


def remove(session: Session, upload_id: str) -> list[str]:
    """Deletes a failed upload of any user. If a conversion needs it, the upload expires now instead.

    Returns the storage keys to delete after the commit.
    """
    keys = _keys(session, upload_id)
    if rows_changed(session, sql_delete(Upload).where(Upload.id == upload_id, ~_needed)) == 1:
        return keys
    # A conversion reads it while it is received: that is canceled or will fail, and the sweeper deletes the rest.
    change(session, Upload, upload_id, Upload.state == "open", Upload.expires_at > now(), expires_at=now())
    return []


def delete_expired(session: Session, limit: int) -> tuple[int, list[str]]:
    """Deletes up to `limit` expired uploads that no conversion needs.

    Returns how many it found, and the storage keys to delete after the commit: an empty upload has none.
    """
    expired = session.scalars(
        select(Upload.id).where(Upload.expires_at <= now(), ~_needed).order_by(Upload.expires_at).limit(limit)
    ).all()
    return len(expired), [key for upload_id in expired for key in remove(session, upload_id)]


def _keys(session: Session, upload_id: str) -> list[str]:
    return list(session.scalars(select(UploadChunk.storage_key).where(UploadChunk.upload_id == upload_id)))
