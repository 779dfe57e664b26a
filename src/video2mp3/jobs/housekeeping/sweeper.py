"""The sweeper: deletes expired results and uploads, and objects that no row refers to."""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, UploadChunk
from video2mp3.storage import Storage

log = structlog.get_logger()

Expire = Callable[[Session, int], tuple[int, list[str]]]
"""Removes up to `limit` expired rows.

Returns how many it found, of which some may have no object, and the storage keys to delete after the commit.
"""

ORPHAN_AGE_S = 3600
"""An object is stored before its row refers to it, so a younger object may still get its row."""
_BATCH = 100
_UPLOAD_KEY = re.compile(r"uploads/([0-9a-f]{32})/[0-9]+-[0-9a-f]+")
_CHECK_KEY = re.compile(r"checks/([0-9a-f]{16})")
_RESULT_KEY = re.compile(r"results/([0-9a-f]{32})/[0-9]+\.(?:mp3|zip)")


def delete_expired(database: Database, storage: Storage, expire: Expire) -> int:
    """Deletes everything that `expire` finds, batch by batch; returns the number of objects deleted."""
    deleted = 0
    while True:
        with database.write() as session:
            found, keys = expire(session, _BATCH)
        for key in keys:
            storage.delete(key)
        deleted += len(keys)
        if found < _BATCH:
            return deleted


def delete_orphans(database: Database, storage: Storage) -> int:
    """Deletes old objects of uploads, results and checks that no row refers to; returns their number.

    Objects with other names are ignored.
    """
    with database.read() as session:
        oldest_kept_s = session.scalars(select(now())).one() / SECOND - ORPHAN_AGE_S
    deleted = 0
    for prefix, pattern, kept_keys in (
        ("uploads/", _UPLOAD_KEY, _kept_chunks),
        ("results/", _RESULT_KEY, _kept_results),
        ("checks/", _CHECK_KEY, _kept_checks),
    ):
        old = (stored.key for stored in storage.list(prefix) if stored.modified_at_s < oldest_kept_s)
        for batch in _batches(match for key in old if (match := pattern.fullmatch(key))):
            owners = {match[0]: match[1] for match in batch}
            with database.read() as session:
                orphans = owners.keys() - kept_keys(session, owners)
            for key in orphans:
                storage.delete(key)
                log.info("orphan_deleted", key=key)
            deleted += len(orphans)
    return deleted


def _kept_chunks(session: Session, owners: dict[str, str]) -> set[str]:
    """Returns the keys that are referred to; `owners` maps keys to their uploads."""
    return set(session.scalars(select(UploadChunk.storage_key).where(UploadChunk.upload_id.in_(set(owners.values())))))


def _kept_results(session: Session, owners: dict[str, str]) -> set[str]:
    """Returns the keys that are referred to, or may be later; `owners` maps keys to their jobs."""
    jobs = session.execute(select(Job.id, Job.state, Job.result_key).where(Job.id.in_(set(owners.values())))).all()
    # A worker that was disconnected from the database may still finish its job with an object that is old by then.
    running = {job.id for job in jobs if job.state == "processing"}
    return {job.result_key for job in jobs} | {key for key, owner in owners.items() if owner in running}


def _kept_checks(session: Session, owners: dict[str, str]) -> set[str]:  # noqa: ARG001
    """Returns nothing: a process that was killed while it checked the storage left such an object behind."""
    return set()


def _batches(matches: Iterable[re.Match[str]]) -> Iterator[list[re.Match[str]]]:
    iterator = iter(matches)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
