"""Reads all stored objects, and reports the missing and damaged ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from sqlalchemy import exists, func, select

from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Upload, UploadChunk, User
from video2mp3.storage import Storage
from video2mp3.storage.checksums import Damage, VerifiedObject

_PAGE = 100
Kind = Literal["upload", "result"]


@dataclass(frozen=True)
class DescribedObject:
    """A stored object and its owner."""

    kind: Kind
    id: str
    """The id of the upload, or of the job whose result it is."""
    user: str
    """The owner's name: untrusted text."""
    name: str
    """The file's, as its owner named it: untrusted text."""
    stored: VerifiedObject


@dataclass(frozen=True)
class DamagedObject:
    """An object that can no longer be delivered."""

    described: DescribedObject
    damage: Damage


def stored_bytes(database: Database) -> int:
    """Returns how many bytes there are to read."""
    with database.read() as session:
        chunks = session.scalar(select(func.sum(UploadChunk.size_bytes)))
        results = session.scalar(select(func.sum(Job.result_size_bytes)).where(Job.result_key.is_not(None)))
    return int(chunks or 0) + int(results or 0)


def verify_stored(
    database: Database, storage: Storage, on_read: Callable[[DescribedObject], object] | None = None
) -> Iterator[DamagedObject]:
    """Reads every object that a row names; yields missing and damaged ones.

    Objects that are deleted during the run are not reported. `on_read` is called after each object. Objects without a
    row are not read.

    Raises:
        StorageUnavailable, DatabaseUnavailable: when they do not answer.
    """
    for described in chain(_chunks(database), _results(database)):
        damage = described.stored.find_damage(storage)
        if damage is not None and _is_still_named(database, described):
            yield DamagedObject(described, damage)
        if on_read is not None:
            on_read(described)


def _chunks(database: Database) -> Iterator[DescribedObject]:
    upload_id, offset_bytes = "", -1
    columns = (UploadChunk, Upload.name, User.username)
    while True:
        after = (UploadChunk.upload_id > upload_id) | (
            (UploadChunk.upload_id == upload_id) & (UploadChunk.offset_bytes > offset_bytes)
        )
        order = (UploadChunk.upload_id, UploadChunk.offset_bytes)
        page = select(*columns).join(Upload, Upload.id == UploadChunk.upload_id).join(User, User.id == Upload.user_id)
        with database.read() as session:
            rows = session.execute(page.where(after).order_by(*order).limit(_PAGE)).all()
        for chunk, name, user in rows:
            stored = VerifiedObject(chunk.storage_key, chunk.size_bytes, chunk.checksums)
            yield DescribedObject("upload", chunk.upload_id, user, name, stored)
            upload_id, offset_bytes = chunk.upload_id, chunk.offset_bytes
        if len(rows) < _PAGE:
            return


def _results(database: Database) -> Iterator[DescribedObject]:
    job_id = ""
    object_columns = (Job.result_key, Job.result_size_bytes, Job.result_checksums)
    while True:
        page = select(Job.id, Job.source_name, User.username, *object_columns).join(User, User.id == Job.user_id)
        stored = (Job.id > job_id, Job.result_key.is_not(None))
        with database.read() as session:
            rows = session.execute(page.where(*stored).order_by(Job.id).limit(_PAGE)).all()
        for row in rows:
            result = VerifiedObject(row.result_key, row.result_size_bytes, row.result_checksums)
            yield DescribedObject("result", row.id, row.username, row.source_name, result)
            job_id = row.id
        if len(rows) < _PAGE:
            return


def _is_still_named(database: Database, described: DescribedObject) -> bool:
    key = described.stored.key
    if described.kind == "upload":
        named = exists().where(UploadChunk.upload_id == described.id, UploadChunk.storage_key == key)
    else:
        named = exists().where(Job.id == described.id, Job.result_key == key)
    with database.read() as session:
        return bool(session.scalar(select(named)))
