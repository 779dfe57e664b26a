"""Letters to account holders with a one-time token in them: to reset a password, to verify an e-mail address.

Whoever asks for one only adds a row, also when there is no such account: so both take the same time, and no request
waits for a mail server. The notifier sends what is due, and makes the token only then; only its SHA-256 is stored.
"""

import secrets
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.orm import Session, aliased

from video2mp3.accounts.hashes import sha256_of
from video2mp3.database.backoff import backoff_us
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import Letter, User, new_id

Kind = Literal["reset", "verify"]

LIFETIME_S: dict[Kind, int] = {"reset": 3600, "verify": 86_400}
"""How long a letter of each kind can be used, from when it was asked for."""
LEASE_S = 300
"""Longer than sending can take: whoever died in it is followed by another after that time."""
_FIRST_BACKOFF_S = 10
_MAX_BACKOFF_S = 3600


@dataclass(frozen=True)
class Due:
    """A letter that is to be sent now, by whoever has claimed it."""

    letter_id: str
    kind: Kind
    user: User
    attempt: int
    token: str


def ask(session: Session, kind: Kind, user: User | None) -> None:
    """Lets a letter be sent to the user; None: nobody, and it only takes the time."""
    letter = Letter(
        id=new_id(),
        user_id=user.id if user else None,
        kind=kind,
        email=user.email if user else None,
        created_at=now(),
        not_before=now(),
        expires_at=now() + LIFETIME_S[kind] * SECOND,
    )
    session.add(letter)
    session.flush()


def claim(session: Session) -> Due | None:
    """Claims the next letter that is due, with a new token; None when none is, or another has it.

    Users take turns, and what has failed before comes after all that has not: no letter holds up those of others.
    """
    due = (Letter.sent_at.is_(None), Letter.not_before <= now(), Letter.expires_at > now(), User.disabled_at.is_(None))
    found = select(Letter, User).join(User, User.id == Letter.user_id).where(*due).order_by(*_turn()).limit(1)
    row = session.execute(found).first()
    if row is None:
        return None
    letter, user = row
    token = secrets.token_urlsafe(32)
    claimed = (
        update(Letter)
        .where(Letter.id == letter.id, Letter.attempts == letter.attempts, Letter.sent_at.is_(None))
        # A token of an attempt before may have arrived, or not: only the last one counts.
        .values(attempts=letter.attempts + 1, not_before=now() + LEASE_S * SECOND, secret_sha256=sha256_of(token))
    )
    if not rows_changed(session, claimed):
        return None
    kind: Kind = "reset" if letter.kind == "reset" else "verify"
    return Due(letter.id, kind, user, letter.attempts + 1, token)


def mark_sent(session: Session, due: Due) -> None:
    """Ends the sending of a letter."""
    _leave(session, due, sent_at=now())


def try_again(session: Session, due: Due) -> None:
    """Lets a letter be sent again, later each time, until it has expired."""
    _leave(session, due, not_before=now() + backoff_us(due.attempt, first_s=_FIRST_BACKOFF_S, max_s=_MAX_BACKOFF_S))


def find(session: Session, kind: Kind, token: str) -> Letter | None:
    """Returns the letter of that token, or None when there is none, it was used, or its time is over."""
    return session.scalar(select(Letter).where(*_good(kind, token)))


def use(session: Session, kind: Kind, token: str) -> Letter | None:
    """Uses up a letter, and all others of its kind to the same user; None when it cannot be used any more."""
    letter = find(session, kind, token)
    if letter is None or not rows_changed(session, update(Letter).where(*_good(kind, token)).values(used_at=now())):
        return None
    others = (Letter.user_id == letter.user_id, Letter.kind == kind, Letter.used_at.is_(None))
    rows_changed(session, sql_delete(Letter).where(*others))
    return letter


def forget_all(session: Session, user_id: str) -> None:
    """Ends all letters to the user that were not used: they went to an address, or of a password, that is no more."""
    rows_changed(session, sql_delete(Letter).where(Letter.user_id == user_id, Letter.used_at.is_(None)))


def delete_expired(session: Session) -> int:
    """Deletes the letters whose time is over; returns how many."""
    return rows_changed(session, sql_delete(Letter).where(Letter.expires_at <= now()))


def path(kind: Kind, token: str) -> str:
    """Returns where the page uses a letter: in the fragment, which no server, no log and no other site sees."""
    return f"/#/sign-in/{kind}/{token}"


def _turn() -> tuple[ColumnElement[int] | ColumnElement[str], ...]:
    """Returns what the letters that are due are sorted by: who has had the fewest attempts is next."""
    other = aliased(Letter)
    of_user = select(func.sum(other.attempts)).where(other.user_id == Letter.user_id, other.expires_at > now())
    return Letter.attempts.expression, of_user.scalar_subquery(), Letter.id.expression


def _leave(session: Session, due: Due, **values: object) -> None:
    mine = (Letter.id == due.letter_id, Letter.attempts == due.attempt)
    rows_changed(session, update(Letter).where(*mine).values(**values))


def _good(kind: Kind, token: str) -> tuple[ColumnElement[bool], ...]:
    return (
        Letter.secret_sha256 == sha256_of(token),
        Letter.kind == kind,
        Letter.used_at.is_(None),
        Letter.expires_at > now(),
    )
