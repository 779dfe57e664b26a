"""The audit log: who did what to whose account or secrets, from where, and when.

An entry is written in the transaction of what it tells, so there is neither without the other. It holds ids and words
of ours, never what somebody typed: people type passwords into the field for the name. Entries outlive the accounts they
tell of, until they expire.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import AuditEntry, User, new_id

Action = Literal[
    "login.succeeded",
    "login.failed",
    "login.throttled",
    "session.ended",
    "refresh_token.reused",
    "account.created",
    "account.updated",
    "account.disabled",
    "account.enabled",
    "account.exported",
    "account.deleted",
    "account.role_changed",
    "password.changed",
    "password_reset.requested",
    "password_reset.completed",
    "email.verified",
    "api_key.created",
    "api_key.deleted",
    "invitation.created",
    "invitation.deleted",
    "webhook.created",
    "webhook.deleted",
    "link.created",
    "job.retried",
    "job.canceled",
    "worker.drained",
    "signing_key.rotated",
]
"""What an entry can tell: what was done, to what it was done before the dot."""


@dataclass(frozen=True)
class Origin:
    """Where what is done came from."""

    address: str | None
    """Of the client; None where that is not known."""
    request_id: str


# None: the command line.
_origin: ContextVar[Origin | None] = ContextVar("audit_origin", default=None)


@dataclass(frozen=True)
class NamedEntry:
    """An entry, and the name of who did it."""

    entry: AuditEntry
    username: str | None
    """None where nobody was signed in, or the account is gone."""


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """What is noted within the block, also in threads that it calls, came from there."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def record(session: Session, action: Action, *, by: str | None, about: str | None = None, detail: str = "") -> None:
    """Adds an entry; call it in the transaction of what it tells.

    Args:
        session: Of that transaction.
        action: What was done.
        by: The id of the user who did it; None: nobody who was signed in, or the command line.
        about: The id of what it was done to, where that is not the user `by`.
        detail: At most 32 letters of our own, such as `cookie` or `admin`; never what a user sent.
    """
    origin = _origin.get()
    session.add(
        AuditEntry(
            id=new_id(),
            at=now(),
            action=action,
            user_id=by,
            subject_id=about,
            # The longest is an IPv6 address with a zone.
            address=origin.address[:64] if origin and origin.address else None,
            request_id=origin.request_id if origin else None,
            detail=detail,
        )
    )
    session.flush()


def entries(
    session: Session, *, action: str | None, username_key: str | None, before_id: str | None, limit: int
) -> Sequence[NamedEntry]:
    """Returns entries, the newest first.

    Args:
        session: To read with.
        action: Only these.
        username_key: Only what this user did, or what was done to its account.
        before_id: Only those that are older than this one.
        limit: How many at most.
    """
    query = select(AuditEntry, User.username).outerjoin(User, User.id == AuditEntry.user_id)
    if action is not None:
        query = query.where(AuditEntry.action == action)
    if username_key is not None:
        ids = select(User.id).where(User.username_key == username_key)
        query = query.where(AuditEntry.user_id.in_(ids) | AuditEntry.subject_id.in_(ids))
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    found = session.execute(query.order_by(AuditEntry.id.desc()).limit(limit))
    return [NamedEntry(entry, username) for entry, username in found]


def of_user(session: Session, user_id: str) -> Iterator[AuditEntry]:
    """Yields what a user did, and what was done to its account, the oldest first."""
    mine = (AuditEntry.user_id == user_id) | (AuditEntry.subject_id == user_id)
    yield from session.scalars(select(AuditEntry).where(mine).order_by(AuditEntry.id)).yield_per(500)


def delete_expired(session: Session, *, lifetime_s: int) -> int:
    """Deletes entries that are older than this; returns how many."""
    return rows_changed(session, delete(AuditEntry).where(AuditEntry.at < now() - lifetime_s * SECOND))
