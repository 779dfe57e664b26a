"""The audit log: who did what to which account or secret, from where, and when.

An entry is written in the transaction of the action that it describes, so neither exists without the other. It holds
ids and fixed words, never user input: people type passwords into the username field. Entries outlive the accounts that
they describe, until they expire.
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
    "sign_in_link.created",
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
    "links.stopped",
    "job.retried",
    "job.canceled",
    "worker.drained",
    "signing_key.rotated",
]
"""Actions: the object before the dot, what was done to it after the dot."""


@dataclass(frozen=True)
class Origin:
    """Where a request came from."""

    address: str | None
    """Of the client; None if unknown."""
    request_id: str


# None: the command line.
_origin: ContextVar[Origin | None] = ContextVar("audit_origin", default=None)


@dataclass(frozen=True)
class NamedEntry:
    """An entry and the name of its actor."""

    entry: AuditEntry
    username: str | None
    """None if nobody was signed in, or the account was deleted."""


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Sets the origin of all entries that are recorded within the block, also in threads that it calls."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def record(session: Session, action: Action, *, by: str | None, about: str | None = None, detail: str = "") -> None:
    """Adds an entry; call it in the transaction of the action.

    Args:
        session: The transaction's session.
        action: What was done.
        by: The id of the user who did it; None: nobody was signed in, or the command line did it.
        about: The id of the object, unless that is the user `by`.
        detail: At most 32 letters of a fixed word, such as `cookie` or `admin`; never user input.
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
        username_key: Only actions by this user or about its account.
        before_id: Only entries older than this one.
        limit: The maximum number.
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
    """Yields the entries by or about a user, the oldest first."""
    mine = (AuditEntry.user_id == user_id) | (AuditEntry.subject_id == user_id)
    yield from session.scalars(select(AuditEntry).where(mine).order_by(AuditEntry.id)).yield_per(500)


def delete_expired(session: Session, *, retention_s: int) -> int:
    """Deletes entries that are older than `retention_s`; returns how many."""
    return rows_changed(session, delete(AuditEntry).where(AuditEntry.at < now() - retention_s * SECOND))
