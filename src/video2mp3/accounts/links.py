"""Signed links (HMAC-SHA-256): anybody who has the link may use it without an account.

The secret is a row, so that all processes share it.
"""

import base64
import hashlib
import hmac
import json
import secrets
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.database.clock import now
from video2mp3.database.tables import Secret

_NAME = "links"
_RESULT = "result"
_UNSUBSCRIBE = "unsubscribe"


def result_path(session: Session, job_id: str, expires_s: int) -> str:
    """Returns the path and query that download a job's result until `expires_s` (seconds since 1970).

    The first link creates the secret, so the session has to be able to write.
    """
    signature = _sign(session, _RESULT, job_id, expires_s)
    return f"/v1/shared/{job_id}?{urlencode({'expires': expires_s, 'signature': signature})}"


def is_result_link(session: Session, signature: str, job_id: str, expires_s: int) -> bool:
    """Returns whether `result_path` issued that signature for these values; does not check the expiry."""
    return _is_genuine(session, signature, _RESULT, job_id, expires_s)


def unsubscribe_path(session: Session, user_id: str) -> str:
    """Returns the path and query by which a user can end the emails, for ever. The session must be able to write."""
    return f"/v1/unsubscribe?{urlencode({'user': user_id, 'signature': _sign(session, _UNSUBSCRIBE, user_id)})}"


def is_unsubscribe_link(session: Session, signature: str, user_id: str) -> bool:
    """Returns whether `unsubscribe_path` issued that signature for that user."""
    return _is_genuine(session, signature, _UNSUBSCRIBE, user_id)


def _sign(session: Session, purpose: str, *facts: str | int) -> str:
    """Returns a signature of these values for one purpose: 43 characters that need no quoting."""
    return _signature(_secret(session) or _new_secret(session), purpose, facts)


def _is_genuine(session: Session, signature: str, purpose: str, *facts: str | int) -> bool:
    secret = _secret(session)
    if secret is None:
        return False
    return hmac.compare_digest(signature.encode(), _signature(secret, purpose, facts).encode())


def _signature(secret: str, purpose: str, facts: tuple[str | int, ...]) -> str:
    # As JSON, so that different lists never have the same text.
    digest = hmac.digest(bytes.fromhex(secret), json.dumps([purpose, *facts]).encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _secret(session: Session) -> str | None:
    return session.scalar(select(Secret.secret).where(Secret.name == _NAME))


def _new_secret(session: Session) -> str:
    try:
        with session.begin_nested():
            session.add(Secret(name=_NAME, secret=secrets.token_hex(32), created_at=now()))
    except IntegrityError:
        pass  # another process was faster: use its secret
    return session.scalars(select(Secret.secret).where(Secret.name == _NAME)).one()
