"""Sign-ins: the secrets that stand for a signed-in user, of which only the SHA-256 is stored.

A refresh token is used once and followed by the next of its family. One that is used twice was stolen,
or its user was: the whole family ends (RFC 9700, section 4.14.2). The row that began a family has its
id and is its lock: a refresh and an end of the same family wait for each other on that row.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Update, delete, select, update
from sqlalchemy.orm import Session

from video2mp3.accounts import audit
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import SignIn, User, new_id

LINK_LIFETIME_S = 24 * 3600
"""How long a sign-in link works, when it is not used."""

Kind = Literal["refresh", "cookie", "link"]


@dataclass(frozen=True)
class Refreshed:
    """A refresh token that was exchanged for the next."""

    user_id: str
    refresh_token: str


def start(session: Session, user: User, kind: Kind, *, lifetime_s: int) -> str:
    """Signs the user in, as a new family, and returns the secret."""
    # Nobody else tidies up here; a user's own next sign-in is soon enough.
    session.execute(delete(SignIn).where(SignIn.user_id == user.id, SignIn.expires_at < now()))
    family = new_id()
    return _insert(session, user.id, kind, sign_in_id=family, family=family, lifetime_s=lifetime_s)


def make_link(session: Session, user: User) -> str:
    """Returns the secret of a link that signs the user in once, within a day."""
    return start(session, user, "link", lifetime_s=LINK_LIFETIME_S)


def refresh(session: Session, refresh_token: str, *, lifetime_s: int) -> Refreshed | None:
    """Exchanges a refresh token for the next; returns None when it is not valid.

    A token that was used before ends its family. Commit in both cases.
    """
    row = session.scalar(select(SignIn).where(_is(refresh_token), SignIn.kind == "refresh"))
    if row is None or not _lock(session, row.family):
        return None
    if not _changed(session, _use(refresh_token, "refresh")):
        if _was_used(session, refresh_token):
            _end_family(session, row.family)
            audit.note(session, "sign_in.reused", by=None, about=row.user_id)
        return None
    token = _insert(session, row.user_id, "refresh", sign_in_id=new_id(), family=row.family, lifetime_s=lifetime_s)
    # The lock must not expire before those who need it.
    _changed(session, update(SignIn).where(SignIn.id == row.family).values(expires_at=now() + lifetime_s * SECOND))
    return Refreshed(row.user_id, token)


def use_link(session: Session, secret: str) -> str | None:
    """Uses up a one-time link; returns the id of its user, or None when it was used, or never was."""
    if not _changed(session, _use(secret, "link")):
        return None
    return session.scalar(select(SignIn.user_id).where(_is(secret)))


def find_cookie(session: Session, secret: str) -> str | None:
    """Returns the id of the user whom a browser's cookie stands for, or None."""
    return session.scalar(select(SignIn.user_id).where(_is(secret), SignIn.kind == "cookie", _lives()))


def end(session: Session, secret: str) -> bool:
    """Ends the sign-in, and its family, that a refresh token or a cookie belongs to; False when there is none."""
    row = session.scalar(select(SignIn).where(_is(secret), SignIn.kind != "link"))
    if row is None:
        return False
    _end_family(session, row.family)
    audit.note(session, "sign_in.ended", by=row.user_id)
    return True


def _insert(session: Session, user_id: str, kind: Kind, *, sign_in_id: str, family: str, lifetime_s: int) -> str:
    secret = secrets.token_urlsafe(32)
    session.add(
        SignIn(
            id=sign_in_id,
            user_id=user_id,
            kind=kind,
            family=family,
            secret_sha256=_sha256(secret),
            created_at=now(),
            expires_at=now() + lifetime_s * SECOND,
        )
    )
    session.flush()
    return secret


def _lock(session: Session, family: str) -> bool:
    """Takes the family's lock, for this transaction; False when the family has ended."""
    return _changed(session, update(SignIn).where(SignIn.id == family, SignIn.ended_at.is_(None)).values(family=family))


def _use(secret: str, kind: Kind) -> Update:
    return (
        update(SignIn).where(_is(secret), SignIn.kind == kind, SignIn.used_at.is_(None), _lives()).values(used_at=now())
    )


def _was_used(session: Session, secret: str) -> bool:
    return session.scalar(select(SignIn.used_at).where(_is(secret))) is not None


def _end_family(session: Session, family: str) -> None:
    _changed(session, update(SignIn).where(SignIn.id == family).values(ended_at=now()))
    _changed(session, update(SignIn).where(SignIn.family == family, SignIn.ended_at.is_(None)).values(ended_at=now()))


def _changed(session: Session, statement: Update) -> bool:
    return rows_changed(session, statement) > 0


def _is(secret: str) -> ColumnElement[bool]:
    return SignIn.secret_sha256 == _sha256(secret)


def _lives() -> ColumnElement[bool]:
    return SignIn.ended_at.is_(None) & (SignIn.expires_at > now())


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
