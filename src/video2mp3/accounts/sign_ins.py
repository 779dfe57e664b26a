"""Sessions and their secrets (refresh tokens, cookies, sign-in links), of which only the SHA-256 is stored.

A refresh token is used once and replaced by the next one of its family. If one is used twice, it was stolen: the whole
family ends (RFC 9700, section 4.14.2). The first row of a family has the family's id and is its lock: a refresh and an
end of the same family wait for each other on that row.
"""

import secrets
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from video2mp3.accounts import audit
from video2mp3.accounts.hashes import sha256_of
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change, change_all, rows_changed
from video2mp3.database.tables import SignIn, User, new_id
from video2mp3.errors import NotFound

LINK_LIFETIME_S = 24 * 3600
"""Lifetime of an unused sign-in link."""

USED_EVERY_S = 300
"""A session's last use is recorded at most this often: otherwise each request would wait for a write."""

Kind = Literal["refresh", "cookie", "link", "access"]


@dataclass(frozen=True)
class Device:
    """The client of a session: its User-Agent header, which is untrusted, and its address."""

    user_agent: str = ""
    address: str = ""

    def columns(self) -> dict[str, str]:
        """Returns the values of the row's columns."""
        agent = "".join(character if character.isprintable() else " " for character in self.user_agent)
        return {"user_agent": agent[:255], "address": self.address.encode("ascii", "replace").decode()[:64]}


UNKNOWN = Device()


@dataclass(frozen=True)
class IssuedSession:
    """A session that was started or refreshed, and its new secret."""

    session_id: str
    user_id: str
    secret: str


@dataclass(frozen=True)
class SessionLookup:
    """An active session of an account that is not disabled."""

    session_id: str
    user: User
    needs_last_used_update: bool
    """The caller has to record this use with `record_use`."""


def start(session: Session, user: User, kind: Kind, *, lifetime_s: int, device: Device = UNKNOWN) -> IssuedSession:
    """Starts a session, which is a new family."""
    family = new_id()
    secret = _insert(session, user.id, kind, sign_in_id=family, family=family, lifetime_s=lifetime_s)
    record_use(session, family, device)
    return IssuedSession(family, user.id, secret)


def make_link(session: Session, user: User) -> str:
    """Returns the secret of a link that signs the user in once, within a day."""
    return start(session, user, "link", lifetime_s=LINK_LIFETIME_S).secret


def refresh(session: Session, refresh_token: str, *, lifetime_s: int, device: Device = UNKNOWN) -> IssuedSession | None:
    """Exchanges a refresh token for the next one; returns None if it is not valid.

    A token that was used before ends its family. Commit in both cases.
    """
    row = session.scalar(select(SignIn).where(_is(refresh_token), SignIn.kind == "refresh"))
    if row is None or not _lock(session, row.family):
        return None
    if not _use(session, refresh_token, "refresh"):
        if session.scalar(select(SignIn.used_at).where(_is(refresh_token))) is not None:
            _end_family(session, row.family)
            audit.record(session, "refresh_token.reused", by=None, about=row.user_id)
        return None
    token = _insert(session, row.user_id, "refresh", sign_in_id=new_id(), family=row.family, lifetime_s=lifetime_s)
    # The lock must not expire before the family's tokens.
    change(session, SignIn, row.family, expires_at=now() + lifetime_s * SECOND)
    record_use(session, row.family, device)
    return IssuedSession(row.family, row.user_id, token)


def use_link(session: Session, secret: str) -> str | None:
    """Uses up a one-time link; returns the id of its user, or None if it was used before or does not exist."""
    if not _use(session, secret, "link"):
        return None
    return session.scalar(select(SignIn.user_id).where(_is(secret)))


def find_cookie(session: Session, secret: str) -> SessionLookup | None:
    """Returns the session of a browser's cookie, or None."""
    return _find(session, _is(secret), SignIn.kind == "cookie")


def find(session: Session, session_id: str) -> SessionLookup | None:
    """Returns the session of that id, or None if it has ended."""
    return _find(session, SignIn.id == session_id, *_is_session())


def list_page(session: Session, user_id: str, *, before_id: str | None, limit: int) -> list[SignIn]:
    """Returns the user's active sessions, the newest first; with `before_id` only older ones."""
    older = (SignIn.id < before_id,) if before_id else ()
    found = select(SignIn).where(SignIn.user_id == user_id, *_is_session(), _lives(), *older)
    return list(session.scalars(found.order_by(SignIn.id.desc()).limit(limit)))


def record_use(session: Session, session_id: str, device: Device) -> None:
    """Records the time and the client of the session's last use."""
    change(session, SignIn, session_id, last_used_at=now(), **device.columns())


def end(session: Session, secret: str) -> bool:
    """Ends the session of a refresh token or a cookie, with its family; False if there is none."""
    row = session.scalar(select(SignIn).where(_is(secret), SignIn.kind != "link"))
    if row is None:
        return False
    _end_family(session, row.family)
    audit.record(session, "session.ended", by=row.user_id)
    return True


def end_one(session: Session, session_id: str, user_id: str) -> None:
    """Ends one of the user's sessions, with its access tokens. Raises NotFound."""
    mine = (SignIn.id == session_id, SignIn.user_id == user_id, *_is_session(), _lives())
    if session.scalar(select(SignIn.id).where(*mine)) is None:
        raise NotFound
    _end_family(session, session_id)


def end_all(session: Session, user_id: str, *, but: str | None = None) -> None:
    """Ends all the user's sessions and unused links, except the session with the id `but`."""
    others = (SignIn.family != but,) if but else ()
    # A concurrent refresh holds its family's row, and the token that it adds belongs to a family that has ended.
    change_all(session, SignIn, SignIn.user_id == user_id, SignIn.ended_at.is_(None), *others, ended_at=now())


def delete_expired(session: Session) -> int:
    """Deletes expired rows, with the data of devices in them; returns how many."""
    return rows_changed(session, delete(SignIn).where(SignIn.expires_at < now()))


def _insert(session: Session, user_id: str, kind: Kind, *, sign_in_id: str, family: str, lifetime_s: int) -> str:
    secret = secrets.token_urlsafe(32)
    session.add(
        SignIn(
            id=sign_in_id,
            user_id=user_id,
            kind=kind,
            family=family,
            secret_sha256=sha256_of(secret),
            created_at=now(),
            expires_at=now() + lifetime_s * SECOND,
        )
    )
    session.flush()
    return secret


def _find(session: Session, *conditions: ColumnElement[bool]) -> SessionLookup | None:
    stale = now() - func.coalesce(SignIn.last_used_at, SignIn.created_at) > USED_EVERY_S * SECOND
    found = select(SignIn.id, User, stale).join(User, User.id == SignIn.user_id)
    row = session.execute(found.where(*conditions, _lives(), User.disabled_at.is_(None))).first()
    return SessionLookup(row[0], row[1], bool(row[2])) if row else None


def _is_session() -> tuple[ColumnElement[bool], ...]:
    return (SignIn.id == SignIn.family, SignIn.kind != "link")


def _lock(session: Session, family: str) -> bool:
    """Takes the family's lock for this transaction; False if the family has ended."""
    return change(session, SignIn, family, SignIn.ended_at.is_(None), family=family)


def _use(session: Session, secret: str, kind: Kind) -> bool:
    unused = (_is(secret), SignIn.kind == kind, SignIn.used_at.is_(None), _lives())
    return change_all(session, SignIn, *unused, used_at=now()) > 0


def _end_family(session: Session, family: str) -> None:
    change(session, SignIn, family, ended_at=now())
    change_all(session, SignIn, SignIn.family == family, SignIn.ended_at.is_(None), ended_at=now())


def _is(secret: str) -> ColumnElement[bool]:
    return SignIn.secret_sha256 == sha256_of(secret)


def _lives() -> ColumnElement[bool]:
    return SignIn.ended_at.is_(None) & (SignIn.expires_at > now())
