"""The keys that sign access tokens, and their rotation.

A key with `retires_at` no longer signs. It verifies until that time, when all tokens that it has signed have expired.
So a key can be replaced while the service runs, and valid tokens stay valid.
"""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change_all, insert, rows_changed
from video2mp3.database.tables import SigningKey

MARGIN_S = 60
"""Another process may read the old key just before it is replaced, and sign with it a moment later."""


def current(session: Session) -> SigningKey:
    """Returns the key that signs, and creates the first one (the session has to be able to write).

    Processes that create the first key concurrently may create two: both verify, and all processes sign with the same
    one from then on.
    """
    newest = select(SigningKey).where(_signs()).order_by(SigningKey.created_at.desc(), SigningKey.id.desc()).limit(1)
    return session.scalars(newest).first() or _add(session)


def rotate(session: Session, *, lifetime_s: int) -> SigningKey:
    """Creates the key that signs from now on; earlier keys verify until their tokens have expired."""
    _retire(session, lifetime_s + MARGIN_S)
    return _add(session)


def rotate_old(session: Session, *, age_s: int, lifetime_s: int) -> bool:
    """Rotates the key if it is older than `age_s`. Of concurrent callers, one does it."""
    # The second caller waits for the first one's lock, and then finds nothing to retire.
    if not _retire(session, lifetime_s + MARGIN_S, SigningKey.created_at < now() - age_s * SECOND):
        return False
    _add(session)
    return True


def revoke(session: Session) -> SigningKey:
    """Creates a new key and deletes all others, with every token that they have signed: for a key that leaked."""
    rows_changed(session, delete(SigningKey))
    return _add(session)


def remove_retired(session: Session) -> int:
    """Deletes the keys that no longer verify; returns their number."""
    return rows_changed(session, delete(SigningKey).where(SigningKey.retires_at <= now()))


def list_all(session: Session) -> list[SigningKey]:
    """Returns all keys, the newest first."""
    return list(session.scalars(select(SigningKey).order_by(SigningKey.created_at.desc(), SigningKey.id.desc())))


def verifies() -> ColumnElement[bool]:
    """Returns the condition that a key still verifies."""
    return or_(_signs(), SigningKey.retires_at > now())


def _signs() -> ColumnElement[bool]:
    return SigningKey.retires_at.is_(None)


def _retire(session: Session, verifies_s: int, *conditions: ColumnElement[bool]) -> bool:
    return change_all(session, SigningKey, _signs(), *conditions, retires_at=now() + verifies_s * SECOND) > 0


def _add(session: Session) -> SigningKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")
    return insert(session, SigningKey(private_pem=pem, created_at=now()))
