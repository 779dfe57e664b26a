"""Limits how many rows one account can leave behind: deletes the oldest of those that are no longer needed.

Rows that are limited on creation (webhooks, API keys, uploads, waiting jobs) are not included.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.statements import change_all, rows_changed
from video2mp3.database.tables import AuditEntry, Batch, Job, Notification, SignIn
from video2mp3.storage import Storage

log = structlog.get_logger()

MAX_CANCELED = 1000
"""Jobs of one user that were canceled before they started, which cost nothing to create."""
MAX_SESSIONS = 1000
"""Active sessions of one user; and used or ended tokens of one user."""
MAX_AUDIT_ENTRIES = 1000
"""Per user and action, so that a flood of one action does not displace the others."""
MAX_ANONYMOUS_ENTRIES = 100_000
"""Per action, for entries without a signed-in user and by the command line."""

# Rows that one transaction changes.
_AT_ONCE = 100

_Take = Callable[[Session, Sequence[str]], list[str]]


@dataclass(frozen=True)
class Bound:
    """How many rows of one kind are kept for each owner."""

    id: InstrumentedAttribute[str]
    order: tuple[ColumnElement[Any] | InstrumentedAttribute[Any], ...]
    """The oldest first; ends with the id."""
    owner: tuple[InstrumentedAttribute[str | None] | InstrumentedAttribute[str], ...]
    keep: int
    among: tuple[ColumnElement[bool], ...]
    """Only these rows count and may be deleted."""
    take: _Take
    """Deletes rows by their ids; returns the storage keys to delete after the commit."""
    spared: tuple[ColumnElement[bool], ...] = ()
    """These rows count but are kept for now, however old they are."""


def bounds(max_user_history: int) -> tuple[Bound, ...]:
    """Returns all bounds; `max_user_history` ended jobs, and as many batches, are kept for each user."""
    # Exactly the ended jobs have an `ended_at`, so the index that orders them also finds them.
    ended = Job.ended_at.is_not(None)
    never_begun = (ended, Job.state == "canceled", Job.started_at.is_(None))
    by_user, by_nobody = AuditEntry.user_id.is_not(None), AuditEntry.user_id.is_(None)
    live = (SignIn.id == SignIn.family, SignIn.ended_at.is_(None))
    over = or_(SignIn.ended_at.is_not(None), and_(SignIn.used_at.is_not(None), SignIn.id != SignIn.family))
    most_canceled = min(MAX_CANCELED, max_user_history)
    take_entries, take_sign_ins = partial(_delete, AuditEntry.id), partial(_delete, SignIn.id)
    return (
        _jobs_bound(most_canceled, never_begun),
        _jobs_bound(max_user_history, (ended,)),
        Bound(
            Batch.id,
            (Batch.ended_at, Batch.id),
            (Batch.user_id,),
            max_user_history,
            (Batch.ended_at.is_not(None),),
            _take_batches,
            spared=(_has_unsent(Notification.target == Batch.id),),
        ),
        Bound(SignIn.id, (SignIn.id,), (SignIn.user_id,), MAX_SESSIONS, live, _end_sessions),
        Bound(SignIn.id, (SignIn.id,), (SignIn.user_id,), MAX_SESSIONS, (over,), take_sign_ins),
        Bound(
            AuditEntry.id,
            (AuditEntry.id,),
            (AuditEntry.user_id, AuditEntry.action),
            MAX_AUDIT_ENTRIES,
            (by_user,),
            take_entries,
        ),
        Bound(AuditEntry.id, (AuditEntry.id,), (AuditEntry.action,), MAX_ANONYMOUS_ENTRIES, (by_nobody,), take_entries),
    )


def _jobs_bound(keep: int, among: tuple[ColumnElement[bool], ...]) -> Bound:
    # By their ends: the owner of a job that waited long has not seen its result yet.
    order = (Job.ended_at, Job.id)
    unsent = _has_unsent(Notification.job_id == Job.id)
    return Bound(Job.id, order, (Job.user_id,), keep, among, _take_jobs, spared=(unsent,))


def _has_unsent(about: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition that a row has unsent notifications, which expire after a day."""
    return select(Notification.id).where(about, Notification.state.in_(("queued", "sending"))).exists()


def trim(database: Database, storage: Storage, bound: Bound) -> int:
    """Deletes the oldest rows of each owner beyond the bound, some in each transaction; returns how many.

    Any number of processes may do so at once.
    """
    trimmed = 0
    for owner in _owners_beyond(database, bound):
        trimmed += trim_owner(database, storage, bound, owner)
    if trimmed:
        log.info("history_trimmed", table=bound.id.class_.__tablename__, rows=trimmed)
    return trimmed


def trim_owner(database: Database, storage: Storage, bound: Bound, owner: tuple[ColumnElement[bool], ...]) -> int:
    """Does the same for one owner, whose rows meet these conditions."""
    with database.read() as session:
        newest = select(*bound.order).where(*owner, *bound.among).order_by(*(column.desc() for column in bound.order))
        oldest_kept = session.execute(newest.offset(bound.keep - 1).limit(1)).one_or_none()
    if oldest_kept is None:
        return 0
    return _trim_older(database, storage, bound, (*owner, *_before(bound.order, oldest_kept)))


def _before(order: Sequence[Any], values: Sequence[Any]) -> tuple[ColumnElement[bool], ...]:
    """Returns the conditions on a row that comes before these values; the first is a range of an index."""
    column, value = order[0], values[0]
    if len(order) == 1:
        return (column < value,)
    return (column <= value, or_(column < value, *_before(order[1:], values[1:])))


def _trim_older(database: Database, storage: Storage, bound: Bound, older: tuple[ColumnElement[bool], ...]) -> int:
    trimmed = 0
    not_spared = [~condition for condition in bound.spared]
    rows = select(bound.id).where(*older, *bound.among, *not_spared).order_by(*bound.order).limit(_AT_ONCE)
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
    """Yields, for each owner with rows beyond the bound, the condition that selects its rows."""
    owners = select(*bound.owner).where(*bound.among).group_by(*bound.owner).having(func.count() > bound.keep)
    with database.read() as session:
        found = session.execute(owners).all()
    for values in found:
        yield tuple(column == value for column, value in zip(bound.owner, values, strict=True))


def _delete(row_id: InstrumentedAttribute[str], session: Session, ids: Sequence[str]) -> list[str]:
    rows_changed(session, delete(row_id.class_).where(row_id.in_(ids)))
    return []


def _take_jobs(session: Session, ids: Sequence[str]) -> list[str]:
    """Deletes ended jobs, with their notifications, webhooks and waveforms."""
    keys = session.scalars(select(Job.result_key).where(Job.id.in_(ids), Job.result_key.is_not(None))).all()
    rows_changed(session, delete(Job).where(Job.id.in_(ids)))
    return [key for key in keys if key is not None]


def _take_batches(session: Session, ids: Sequence[str]) -> list[str]:
    """Deletes ended batches; their remaining jobs stay, without a batch."""
    change_all(session, Job, Job.batch_id.in_(ids), batch_id=None)
    return _delete(Batch.id, session, ids)


def _end_sessions(session: Session, ids: Sequence[str]) -> list[str]:
    """Ends sessions as their owner would."""
    change_all(session, SignIn, SignIn.family.in_(ids), SignIn.ended_at.is_(None), ended_at=now())
    return []
