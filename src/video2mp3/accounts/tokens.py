"""Access tokens: short-lived JWTs (RFC 9068) signed with Ed25519, which other services can verify with the JWKS.

The keys are rows, so that all processes share them. The algorithm, the keys (`signing_keys`), the issuer, the audience
and the type are fixed here and never taken from the token (RFC 8725).
"""

import base64
import re
import time
from dataclasses import dataclass
from functools import lru_cache

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.accounts import signing_keys
from video2mp3.database.tables import SigningKey, User, new_id
from video2mp3.errors import Unauthenticated

# Constant, so that all processes of a service agree on them, whatever address each was reached at.
ISSUER = "video2mp3"
AUDIENCE = "video2mp3"

_ALGORITHM = "EdDSA"
_TYPE = "at+jwt"
_CLAIMS = ["iss", "aud", "sub", "sid", "iat", "exp", "jti"]
_MAX_LENGTH = 4096
CLOCK_LEEWAY_S = 60
"""How far the clock of the replica that issued a token may be ahead: `iat` and `nbf` may be that far in the future."""
EXPIRY_LEEWAY_S = 10
"""How long an expired token is still accepted, since the clock of the replica that verifies it may be ahead."""
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Signer:
    """The current signing key."""

    kid: str
    key: Ed25519PrivateKey


def signer(session: Session) -> Signer:
    """Returns the current signing key, and creates the first one (the session has to be able to write)."""
    row = signing_keys.current(session)
    return Signer(row.id, _load(row.private_pem))


@dataclass(frozen=True)
class Bearer:
    """The user and the session of a token, which is valid as long as the session."""

    user_id: str
    session_id: str


def issue(signer: Signer, user: User, session_id: str, *, lifetime_s: int) -> str:
    """Returns an access token for the user; `sub` is the user's id, `sid` that of the session (see `sign_ins`)."""
    issued_at_s = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user.id,
        "sid": session_id,
        "username": user.username,
        "iat": issued_at_s,
        "exp": issued_at_s + lifetime_s,
        "jti": new_id(),
    }
    return jwt.encode(claims, signer.key, algorithm=_ALGORITHM, headers={"kid": signer.kid, "typ": _TYPE})


def verify(session: Session, token: str) -> Bearer:
    """Returns the user and the session of a token; whether the session has ended, `sign_ins` knows.

    Raises:
        Unauthenticated: when the token is invalid or has expired; it does not say which.
    """
    try:
        key = _public_key(session, token)
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=CLOCK_LEEWAY_S,
            options={"require": _CLAIMS},
        )
        # The library has one leeway for all times; the expiry gets a shorter one.
        if int(claims["exp"]) <= time.time() - EXPIRY_LEEWAY_S:
            raise jwt.ExpiredSignatureError
    except jwt.InvalidTokenError:
        raise Unauthenticated(
            "The access token or API key is invalid or has expired; sign in again, or create a new key."
        ) from None
    return Bearer(str(claims["sub"]), str(claims["sid"]))


def jwks(session: Session) -> dict[str, list[dict[str, str]]]:
    """Returns the public keys that tokens may be signed with, as a JWK set (RFC 7517, RFC 8037)."""
    rows = session.scalars(select(SigningKey).where(signing_keys.verifies()).order_by(SigningKey.id))
    return {"keys": [_jwk(row) for row in rows]}


def _public_key(session: Session, token: str) -> jwt.PyJWK:
    if len(token) > _MAX_LENGTH or not _FORM.fullmatch(token):
        raise jwt.InvalidTokenError
    header = jwt.get_unverified_header(token)
    # Exactly the headers that `issue` writes, so no jku, jwk, x5u or crit has to be handled.
    if set(header) != {"alg", "typ", "kid"} or header["alg"] != _ALGORITHM or header["typ"] != _TYPE:
        raise jwt.InvalidTokenError
    row = session.scalar(select(SigningKey).where(SigningKey.id == str(header["kid"]), signing_keys.verifies()))
    if row is None:
        raise jwt.InvalidTokenError
    return jwt.PyJWK(_jwk(row), algorithm=_ALGORITHM)


@lru_cache(maxsize=16)
def _load(private_pem: str) -> Ed25519PrivateKey:
    key = load_pem_private_key(private_pem.encode("ascii"), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def _jwk(row: SigningKey) -> dict[str, str]:
    raw = _load(row.private_pem).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": row.id, "use": "sig", "alg": _ALGORITHM}
