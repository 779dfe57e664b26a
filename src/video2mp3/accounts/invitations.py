"""Invitations: codes for creating one account each, if registration is by invitation. Only their SHA-256 is stored."""

import secrets

from sqlalchemy import ColumnElement, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session

from video2mp3.accounts.hashes import sha256_of
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change_all, insert, rows_changed
from video2mp3.database.tables import Invitation, new_id
from video2mp3.errors import NotFound

_KEPT_S = 90 * 86_400
LIFETIME_S = 7 * 86_400
"""Default lifetime of an invitation."""


def create(session: Session, *, created_by: str | None, lifetime_s: int) -> tuple[Invitation, str]:
    """Creates an invitation and returns it with its code, which is not stored; `created_by` is a user's id."""
    code = secrets.token_urlsafe(24)
    row = Invitation(
        id=new_id(),
        code_sha256=sha256_of(code),
        created_by=created_by,
        created_at=now(),
        expires_at=now() + lifetime_s * SECOND,
    )
    return insert(session, row), code


def is_good(session: Session, code: str) -> bool:
    """Returns whether an account can be created with that code now."""
    return session.scalar(select(Invitation.id).where(*_good(code))) is not None


def use(session: Session, code: str, user_id: str) -> bool:
    """Uses up an invitation for that user; False if it is not valid, or another request was faster."""
    return change_all(session, Invitation, *_good(code), used_at=now(), used_by=user_id) > 0


def list_page(session: Session, *, before_id: str | None, limit: int) -> list[Invitation]:
    """Returns invitations, the newest first, also those that were used or have expired."""
    older = (Invitation.id < before_id,) if before_id else ()
    return list(session.scalars(select(Invitation).where(*older).order_by(Invitation.id.desc()).limit(limit)))


def delete(session: Session, invitation_id: str) -> None:
    """Revokes an invitation; an account that was created with it stays. Raises NotFound."""
    if not rows_changed(session, sql_delete(Invitation).where(Invitation.id == invitation_id)):
        raise NotFound


def delete_old(session: Session) -> int:
    """Deletes invitations that expired 90 days ago, used or not; returns how many."""
    return rows_changed(session, sql_delete(Invitation).where(Invitation.expires_at < now() - _KEPT_S * SECOND))


def path(code: str) -> str:
    """Returns the path of the page's registration form; the code is in the fragment, which no server or log sees."""
    return f"/#/sign-in/invitation/{code}"


def _good(code: str) -> tuple[ColumnElement[bool], ...]:
    return (Invitation.code_sha256 == sha256_of(code), Invitation.used_at.is_(None), Invitation.expires_at > now())
