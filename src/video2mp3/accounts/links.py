"""Signed links (HMAC-SHA-256): anybody who has the link may use it without an account.

The secret is a row, so that all processes share it.
"""

import base64
import hashlib
import hmac
import json
import re
import secrets
import struct
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.database.clock import now
from video2mp3.database.tables import Secret

_NAME = "links"
_RESULT = "result"
_UNSUBSCRIBE = "unsubscribe"
# A link to a result: the id of the job, the expiry, the serial; with the MAC 45 bytes, so base64 needs no padding.
_PACKED = struct.Struct(">16sQI")
_MAC_BYTES = 17
_TOKEN = re.compile("[A-Za-z0-9_-]{60}")


@dataclass(frozen=True)
class ResultLink:
    """What a link to a result says."""

    job_id: str
    expires_s: int
    """Seconds since 1970."""
    serial: int
    """The job's `link_serial` when the link was made: the links of an earlier one have been stopped."""


def result_token(session: Session, link: ResultLink) -> str:
    """Returns the 60 characters that stand for a link.

    The first link creates the secret, so the session has to be able to write.
    """
    packed = _PACKED.pack(bytes.fromhex(link.job_id), link.expires_s, link.serial)
    return _encoded(packed + _mac(_secret(session) or _new_secret(session), packed))


def read_result_token(session: Session, token: str) -> ResultLink | None:
    """Returns the link that `result_token` made the token of; None if it did not. Does not check the expiry."""
    secret = _secret(session)
    if secret is None or not _TOKEN.fullmatch(token):
        return None
    data = base64.urlsafe_b64decode(token)
    packed, mac = data[: _PACKED.size], data[_PACKED.size :]
    if not hmac.compare_digest(mac, _mac(secret, packed)):
        return None
    job_id, expires_s, serial = _PACKED.unpack(packed)
    return ResultLink(job_id.hex(), expires_s, serial)


def page_path(token: str) -> str:
    """Returns the path of the page of a link."""
    return f"/share/{token}"


def mp3_path(token: str) -> str:
    """Returns the path of the result of a link."""
    return f"/v1/shared/{token}/mp3"


def unsubscribe_path(session: Session, user_id: str) -> str:
    """Returns the path and query by which a user can end the emails, for ever. The session must be able to write."""
    signature = _signature(_secret(session) or _new_secret(session), user_id)
    return f"/v1/unsubscribe?{urlencode({'user': user_id, 'signature': signature})}"


def is_unsubscribe_link(session: Session, signature: str, user_id: str) -> bool:
    """Returns whether `unsubscribe_path` issued that signature for that user."""
    secret = _secret(session)
    return secret is not None and hmac.compare_digest(signature.encode(), _signature(secret, user_id).encode())


def _signature(secret: str, user_id: str) -> str:
    """Returns 43 characters that need no quoting."""
    return _encoded(_digest(secret, _UNSUBSCRIBE, user_id))


def _mac(secret: str, packed: bytes) -> bytes:
    return _digest(secret, _RESULT, packed.hex())[:_MAC_BYTES]


def _digest(secret: str, purpose: str, fact: str) -> bytes:
    # As JSON, so that different pairs never have the same text.
    return hmac.digest(bytes.fromhex(secret), json.dumps([purpose, fact]).encode(), hashlib.sha256)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _secret(session: Session) -> str | None:
    return session.scalar(select(Secret.secret).where(Secret.name == _NAME))


def _new_secret(session: Session) -> str:
    try:
        with session.begin_nested():
            session.add(Secret(name=_NAME, secret=secrets.token_hex(32), created_at=now()))
    except IntegrityError:
        pass  # another process was faster: use its secret
    return session.scalars(select(Secret.secret).where(Secret.name == _NAME)).one()
