"""One-time tokens that account holders get by email: to reset a password, to verify an email address.

A request only adds a row, also when there is no such account: so both take the same time, and no request waits for a
mail server. The notifier sends the emails that are due. It makes the token only then, and stores its SHA-256.
"""

import secrets
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, func, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session, aliased

from video2mp3.accounts.hashes import sha256_of
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change_all, rows_changed
from video2mp3.database.tables import OneTimeToken, User
from video2mp3.outbox import claims
from video2mp3.outbox.claims import Claim

Kind = Literal["reset", "verify"]

LIFETIME_S: dict[Kind, int] = {"reset": 3600, "verify": 86_400}
"""How long a token of each kind can be used, from the request."""


@dataclass(frozen=True)
class ClaimedEmail(Claim):
    """An email that is to be sent now, with its token."""

    kind: Kind
    user: User
    token: str


def request(session: Session, kind: Kind, user: User | None) -> None:
    """Queues an email with a token to the user; None: nobody, and it only takes the time."""
    token = OneTimeToken(
        user_id=user.id if user else None,
        kind=kind,
        email=user.email if user else None,
        created_at=now(),
        expires_at=now() + LIFETIME_S[kind] * SECOND,
    )
    session.add(token)
    session.flush()


def claim_email(session: Session) -> ClaimedEmail | None:
    """Claims the next email that is due, with a new token; None when none is, or another notifier has it.

    Users take turns, and what has failed before comes after all that has not: no email holds up those of others.
    """
    row = OneTimeToken
    due = (row.state == "queued", row.not_before <= now(), row.expires_at > now(), User.disabled_at.is_(None))
    next_one = select(row, User).join(User, User.id == row.user_id).where(*due).order_by(*_turn()).limit(1)
    found = session.execute(next_one).first()
    if found is None:
        return None
    email, user = found
    token = secrets.token_urlsafe(32)
    # A token of an attempt before may have arrived, or not: only the last one counts.
    if not claims.claim(session, email, secret_sha256=sha256_of(token)):
        return None
    kind: Kind = "reset" if email.kind == "reset" else "verify"
    return ClaimedEmail(OneTimeToken, email.id, email.attempts + 1, kind, user, token)


def find(session: Session, kind: Kind, token: str) -> OneTimeToken | None:
    """Returns the row of that token, or None when there is none, it was used, or it has expired."""
    return session.scalar(select(OneTimeToken).where(*_valid(kind, token)))


def use(session: Session, kind: Kind, token: str) -> OneTimeToken | None:
    """Uses up a token, and all others of its kind of the same user; None when it cannot be used any more."""
    row = find(session, kind, token)
    if row is None or not change_all(session, OneTimeToken, *_valid(kind, token), used_at=now()):
        return None
    others = (OneTimeToken.user_id == row.user_id, OneTimeToken.kind == kind, OneTimeToken.used_at.is_(None))
    rows_changed(session, sql_delete(OneTimeToken).where(*others))
    return row


def revoke_all(session: Session, user_id: str) -> None:
    """Ends all unused tokens of the user: they are for an address, or a password, that was replaced."""
    unused = (OneTimeToken.user_id == user_id, OneTimeToken.used_at.is_(None))
    rows_changed(session, sql_delete(OneTimeToken).where(*unused))


def delete_expired(session: Session) -> int:
    """Deletes the tokens that have expired; returns how many."""
    return rows_changed(session, sql_delete(OneTimeToken).where(OneTimeToken.expires_at <= now()))


def path(kind: Kind, token: str) -> str:
    """Returns where the page uses a token: in the fragment, which no server, no log and no other site sees."""
    return f"/#/sign-in/{kind}/{token}"


def _turn() -> tuple[ColumnElement[int] | ColumnElement[str], ...]:
    """Returns what the emails that are due are sorted by: the user who has had the fewest attempts is next."""
    other = aliased(OneTimeToken)
    of_user = select(func.sum(other.attempts)).where(other.user_id == OneTimeToken.user_id, other.expires_at > now())
    return OneTimeToken.attempts.expression, of_user.scalar_subquery(), OneTimeToken.id.expression


def _valid(kind: Kind, token: str) -> tuple[ColumnElement[bool], ...]:
    return (
        OneTimeToken.secret_sha256 == sha256_of(token),
        OneTimeToken.kind == kind,
        OneTimeToken.used_at.is_(None),
        OneTimeToken.expires_at > now(),
    )
