"""Bounds how many rows one account can leave behind: the oldest of those that nothing needs any more are deleted.

What is bounded where a row is made (webhooks, API keys, uploads, jobs that wait) is not here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import AuditEntry, Base, Batch, Job, SignIn
from video2mp3.jobs import lifecycle
from video2mp3.storage import Storage

log = structlog.get_logger()

MAX_CANCELED = 1000
"""Conversions of one user that were canceled before they began: they cost nothing to make, and tell nothing."""
MAX_SESSIONS = 1000
"""Sessions of one user that go on; and tokens of one user that were used or have ended."""
MAX_AUDIT_ENTRIES = 1000
"""Of one user and one action: so a flood of one action does not wash out the others."""
MAX_ANONYMOUS_ENTRIES = 100_000
"""Of one action by nobody who was signed in, or by the command line."""

# Rows that one transaction changes.
_AT_ONCE = 100

_Take = Callable[[Session, Sequence[str]], list[str]]


@dataclass(frozen=True)
class Bound:
    """How many rows of one kind are kept of each owner."""

    table: type[Base]
    id: InstrumentedAttribute[str]
    """Grows with the time of the row's making."""
    owner: tuple[InstrumentedAttribute[str | None] | InstrumentedAttribute[str], ...]
    keep: int
    among: tuple[ColumnElement[bool], ...]
    """Only these rows count, and may be taken away."""
    take: _Take
    """Takes rows away by their ids; returns the storage keys to delete after the commit."""


def bounds(max_user_history: int) -> tuple[Bound, ...]:
    """Returns all bounds; `max_user_history` ended conversions, and batches, are kept for each user."""
    ended = Job.state.in_(lifecycle.ENDED)
    never_begun = (Job.state == "canceled", Job.started_at.is_(None))
    by_user, by_nobody = AuditEntry.user_id.is_not(None), AuditEntry.user_id.is_(None)
    live = (SignIn.id == SignIn.family, SignIn.ended_at.is_(None))
    over = or_(SignIn.ended_at.is_not(None), and_(SignIn.used_at.is_not(None), SignIn.id != SignIn.family))
    most_canceled = min(MAX_CANCELED, max_user_history)
    take_entries, take_sign_ins = partial(_delete, AuditEntry, AuditEntry.id), partial(_delete, SignIn, SignIn.id)
    return (
        Bound(Job, Job.id, (Job.user_id,), most_canceled, never_begun, _take_jobs),
        Bound(Job, Job.id, (Job.user_id,), max_user_history, (ended,), _take_jobs),
        Bound(Batch, Batch.id, (Batch.user_id,), max_user_history, (Batch.ended_at.is_not(None),), _take_batches),
        Bound(SignIn, SignIn.id, (SignIn.user_id,), MAX_SESSIONS, live, _end_sessions),
        Bound(SignIn, SignIn.id, (SignIn.user_id,), MAX_SESSIONS, (over,), take_sign_ins),
        Bound(
            AuditEntry,
            AuditEntry.id,
            (AuditEntry.user_id, AuditEntry.action),
            MAX_AUDIT_ENTRIES,
            (by_user,),
            take_entries,
        ),
        Bound(AuditEntry, AuditEntry.id, (AuditEntry.action,), MAX_ANONYMOUS_ENTRIES, (by_nobody,), take_entries),
    )


def trim(database: Database, storage: Storage, bound: Bound) -> int:
    """Takes away the oldest rows of each owner who has more than are kept, some in each transaction.

    Returns how many. Any number of processes may do so at once.
    """
    trimmed = 0
    for owner in _owners_beyond(database, bound):
        with database.read() as session:
            newest = select(bound.id).where(*owner, *bound.among).order_by(bound.id.desc())
            oldest_kept = session.scalar(newest.offset(bound.keep - 1).limit(1))
        if oldest_kept is not None:
            trimmed += _trim_older(database, storage, bound, (*owner, bound.id < oldest_kept))
    if trimmed:
        log.info("history_trimmed", table=bound.table.__tablename__, rows=trimmed)
    return trimmed


def _trim_older(database: Database, storage: Storage, bound: Bound, older: tuple[ColumnElement[bool], ...]) -> int:
    trimmed = 0
    rows = select(bound.id).where(*older, *bound.among).order_by(bound.id).limit(_AT_ONCE)
    while True:
        with database.write() as session:
            ids = session.scalars(rows).all()
            keys = bound.take(session, ids) if ids else []
        for key in keys:
            storage.delete(key)
        trimmed += len(ids)
        if len(ids) < _AT_ONCE:
            return trimmed


def _owners_beyond(database: Database, bound: Bound) -> Iterator[tuple[ColumnElement[bool], ...]]:
    """Yields the condition that tells an owner's rows, for each who has more than are kept."""
    owners = select(*bound.owner).where(*bound.among).group_by(*bound.owner).having(func.count() > bound.keep)
    with database.read() as session:
        found = session.execute(owners).all()
    for values in found:
        yield tuple(column == value for column, value in zip(bound.owner, values, strict=True))


def _delete(table: type[Base], row_id: InstrumentedAttribute[str], session: Session, ids: Sequence[str]) -> list[str]:
    rows_changed(session, delete(table).where(row_id.in_(ids)))
    return []


def _take_jobs(session: Session, ids: Sequence[str]) -> list[str]:
    """Deletes ended jobs, with their notifications, webhooks and waveforms."""
    keys = session.scalars(select(Job.result_key).where(Job.id.in_(ids), Job.result_key.is_not(None))).all()
    rows_changed(session, delete(Job).where(Job.id.in_(ids)))
    return [key for key in keys if key is not None]


def _take_batches(session: Session, ids: Sequence[str]) -> list[str]:
    """Deletes ended batches; those of their jobs that are there yet stay, as conversions without one."""
    rows_changed(session, update(Job).where(Job.batch_id.in_(ids)).values(batch_id=None))
    return _delete(Batch, Batch.id, session, ids)


def _end_sessions(session: Session, ids: Sequence[str]) -> list[str]:
    """Ends sessions as their owner would."""
    now_ended = update(SignIn).where(SignIn.family.in_(ids), SignIn.ended_at.is_(None))
    rows_changed(session, now_ended.values(ended_at=now()))
    return []
