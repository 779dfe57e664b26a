"""API keys: secrets for programs, limited to their scopes; only their SHA-256 is stored.

A plain hash suffices: a key is 32 random bytes, which cannot be guessed as passwords can. The hash is looked up in an
index. The time of that reveals at most the beginning of a hash, from which no key can be derived.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import ColumnElement, func, or_, select, true
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from video2mp3.accounts.hashes import sha256_of
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change, insert, lock_user, rows_changed
from video2mp3.database.tables import ApiKey, User, new_id
from video2mp3.errors import NotFound, TooManyApiKeys

PREFIX = "v2m_"
"""Each key begins with this, so that scanners find published keys, and that it differs from an access token."""
MAX_PER_USER = 50
USED_EVERY_S = 60
"""A key's last use is recorded at most this often: otherwise each request would wait for a write."""

Scope = Literal["convert", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
# Enough to distinguish an account's keys; the other 39 letters still have 234 bits.
_HINT_LENGTH = len(PREFIX) + 4


@dataclass(frozen=True)
class KeyLookup:
    """A valid key and its owner."""

    key: ApiKey
    user: User
    needs_last_used_update: bool
    """The caller has to record this use with `record_use`."""


def create(
    session: Session, user_id: str, name: str, scopes: Collection[Scope], *, lifetime_s: int | None
) -> tuple[ApiKey, str]:
    """Creates a key and returns it with its secret, which is not stored; without a lifetime it never expires.

    Raises:
        TooManyApiKeys: when the account has reached the limit.
    """
    lock_user(session, user_id)
    count = session.scalar(select(func.count()).select_from(ApiKey).where(ApiKey.user_id == user_id))
    if (count or 0) >= MAX_PER_USER:
        raise TooManyApiKeys
    secret = PREFIX + secrets.token_urlsafe(32)
    row = ApiKey(
        id=new_id(),
        user_id=user_id,
        name=name,
        scopes=" ".join(scope for scope in SCOPES if scope in scopes),
        secret_sha256=sha256_of(secret),
        hint=secret[:_HINT_LENGTH],
        created_at=now(),
        expires_at=None if lifetime_s is None else now() + lifetime_s * SECOND,
    )
    return insert(session, row), secret


def find(session: Session, secret: str) -> KeyLookup | None:
    """Returns the key of that secret; None if there is none, it has expired, or its owner is disabled."""
    stale = func.coalesce(now() - ApiKey.last_used_at > USED_EVERY_S * SECOND, true())
    found = select(ApiKey, User, stale).join(User, User.id == ApiKey.user_id)
    row = session.execute(found.where(ApiKey.secret_sha256 == sha256_of(secret), *_is_good())).first()
    return KeyLookup(row[0], row[1], bool(row[2])) if row else None


def is_good(session: Session, key_id: str) -> bool:
    """Returns whether the key of that id is still valid."""
    found = select(ApiKey.id).join(User, User.id == ApiKey.user_id).where(ApiKey.id == key_id, *_is_good())
    return session.scalar(found) is not None


def scopes_of(key: ApiKey) -> list[Scope]:
    """Returns what the key may do."""
    return [scope for scope in SCOPES if scope in key.scopes.split()]


def find_all(session: Session, user_id: str) -> list[ApiKey]:
    """Returns the account's keys, the oldest first, also those that have expired."""
    return list(session.scalars(select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id)))


def delete(session: Session, key_id: str, user_id: str) -> None:
    """Deletes one of the account's keys. Raises NotFound."""
    if not rows_changed(session, sql_delete(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id)):
        raise NotFound


def record_use(session: Session, key_id: str) -> None:
    """Records the time of the key's last use."""
    change(session, ApiKey, key_id, last_used_at=now())


def _is_good() -> tuple[ColumnElement[bool], ...]:
    return (or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now()), User.disabled_at.is_(None))
