"""What is not a valid access token of this service's is refused, whatever it looks like (RFC 8725)."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from sqlalchemy import select

from tests.api.conftest import SignedIn
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import SigningKey


@dataclass(frozen=True)
class Forge:
    """Makes tokens with the service's own key, or with others."""

    kid: str
    key: Ed25519PrivateKey
    claims: dict[str, Any]
    good: str

    def token(
        self, *, header: dict[str, Any] | None = None, key: Ed25519PrivateKey | None = None, **claims: Any
    ) -> str:
        headers = {"alg": "EdDSA", "typ": "at+jwt", "kid": self.kid, **(header or {})}
        body = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        signed = _encode({k: v for k, v in headers.items() if v is not None}) + b"." + _encode(body)
        return (signed + b"." + _base64((key or self.key).sign(signed))).decode()

    def hmac_token(self, secret: bytes, **header: Any) -> str:
        signed = _encode({"alg": "HS256", "typ": "at+jwt", "kid": self.kid, **header}) + b"." + _encode(self.claims)
        return (signed + b"." + _base64(hmac.digest(secret, signed, hashlib.sha256))).decode()

    def public(self, encoding: Encoding, form: PublicFormat) -> bytes:
        return self.key.public_key().public_bytes(encoding, form)

    def jwk(self) -> dict[str, str]:
        raw = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": _base64(raw).decode()}


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _encode(value: dict[str, Any]) -> bytes:
    return _base64(json.dumps(value).encode())


@pytest.fixture
def forge(ada: SignedIn, services: Services) -> Forge:
    with services.database.read() as session:
        row = session.scalars(select(SigningKey)).one()
    key = load_pem_private_key(row.private_pem.encode(), None)
    assert isinstance(key, Ed25519PrivateKey)
    claims = jwt.decode(ada.access_token, options={"verify_signature": False})
    return Forge(row.id, key, claims, ada.access_token)


def status(client: httpx.Client, authorization: str) -> int:
    answer = client.get("/v1/me", headers=[(b"Authorization", authorization.strip().encode())])
    if answer.status_code != 200:
        assert answer.json()["code"] == "unauthenticated"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    return answer.status_code


GOOD: dict[str, Callable[[Forge], str]] = {
    "issued": lambda forge: forge.good,
    "forged as issued": lambda forge: forge.token(),
    "with a claim more": lambda forge: forge.token(more=1),
}

BAD: dict[str, Callable[[Forge], str]] = {
    "alg none": lambda forge: forge.token(header={"alg": "none"}).rsplit(".", 1)[0] + ".",
    "alg none, signed": lambda forge: forge.token(header={"alg": "none"}),
    "alg None": lambda forge: forge.token(header={"alg": "None"}),
    "no alg": lambda forge: forge.token(header={"alg": None}),
    "HS256 with the raw public key": lambda f: f.hmac_token(f.public(Encoding.Raw, PublicFormat.Raw)),
    "HS256 with the public PEM": lambda f: f.hmac_token(f.public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
    "HS256 with the kid": lambda forge: forge.hmac_token(forge.kid.encode()),
    "HS256 with nothing": lambda forge: forge.hmac_token(b""),
    "HMAC that says EdDSA": lambda f: f.hmac_token(f.public(Encoding.Raw, PublicFormat.Raw), alg="EdDSA"),
    "another key": lambda forge: forge.token(key=Ed25519PrivateKey.generate()),
    "alg Ed25519": lambda forge: forge.token(header={"alg": "Ed25519"}),
    "wrong aud": lambda forge: forge.token(aud="somebody-else"),
    "no aud": lambda forge: forge.token(aud=None),
    "wrong iss": lambda forge: forge.token(iss="https://evil.example"),
    "no iss": lambda forge: forge.token(iss=None),
    "typ JWT": lambda forge: forge.token(header={"typ": "JWT"}),
    "no typ": lambda forge: forge.token(header={"typ": None}),
    "unknown kid": lambda forge: forge.token(header={"kid": "0" * 32}),
    "no kid": lambda forge: forge.token(header={"kid": None}),
    "kid of another type": lambda forge: forge.token(header={"kid": ["x"]}),
    "kid that injects": lambda forge: forge.token(header={"kid": "' OR 1=1 --"}),
    "expired": lambda forge: forge.token(exp=int(time.time()) - 11),
    "no exp": lambda forge: forge.token(exp=None),
    "exp that is no number": lambda forge: forge.token(exp="never"),
    "not yet": lambda forge: forge.token(nbf=int(time.time()) + 3600),
    "issued in the future": lambda forge: forge.token(iat=int(time.time()) + 3600),
    "no sub": lambda forge: forge.token(sub=None),
    "sub of nobody": lambda forge: forge.token(sub="0" * 32),
    "sub of another type": lambda forge: forge.token(sub=1),
    "no sid": lambda forge: forge.token(sid=None),
    "sid of no session": lambda forge: forge.token(sid="0" * 32),
    "sid of another type": lambda forge: forge.token(sid=["x"]),
    "no jti": lambda forge: forge.token(jti=None),
    "jku": lambda forge: forge.token(header={"jku": "https://evil.example/jwks.json"}),
    "jwk": lambda forge: forge.token(header={"jwk": forge.jwk()}),
    "x5u": lambda forge: forge.token(header={"x5u": "https://evil.example/x"}),
    "crit": lambda forge: forge.token(header={"crit": ["exp"]}),
    "b64": lambda forge: forge.token(header={"b64": False, "crit": ["b64"]}),
    "trailing letter": lambda forge: forge.good + "A",
    "trailing padding": lambda forge: forge.good + "==",
    "trailing part": lambda forge: forge.good + ".e30",
    "trailing words": lambda forge: forge.good + " and more",
    "leading letter": lambda forge: "A" + forge.good,
    "no signature": lambda forge: forge.good.rsplit(".", 1)[0] + ".",
    "two parts": lambda forge: forge.good.rsplit(".", 1)[0],
    "other last letter": lambda forge: forge.good[:-1] + ("B" if forge.good[-1] == "A" else "A"),
    "changed claims": lambda f: ".".join(
        (f.good.split(".")[0], f.token(sub="0" * 32).split(".")[1], f.good.split(".")[2])
    ),
    "in brackets": lambda forge: f"<{forge.good}>",
    "one quote": lambda forge: f"{forge.good}''",
    "nothing": lambda _: "",
    "words": lambda _: "null",
    "dots": lambda _: "..",
    "very long": lambda _: "A" * 20_000,
    "not ASCII": lambda _: "é.é.é",
    # A dead token of the first version's, as its examples have it.
    "the tutorial's": lambda _: (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyMSIsImV4cCI6MTczNzQ4MzI1MX0"
        ".qrnfuWGeQBg65QwOeSBHkPmAKa140Qxffl8qco52AVA"
    ),
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_token_is_taken(forge: Forge, client: httpx.Client, kind: str) -> None:
    assert status(client, f"Bearer {GOOD[kind](forge)}") == 200


def test_every_bad_token_is_refused(forge: Forge, client: httpx.Client) -> None:
    taken = [kind for kind, make in BAD.items() if status(client, f"Bearer {make(forge)}") != 401]
    assert not taken
    assert status(client, f"Bearer {forge.good}") == 200


@pytest.mark.parametrize("form", ["Bearer {}", 'Bearer "{}"', "bearer {}", "BEARER  {}"])
def test_the_forms_that_clients_send_are_taken(forge: Forge, client: httpx.Client, form: str) -> None:
    assert status(client, form.format(forge.good)) == 200


@pytest.mark.parametrize(
    "form", ["{}", "Basic {}", "Token {}", "Bearer", "Bearer{}", "Bearer {0} {0}", "Bearer {0},{0}"]
)
def test_other_forms_are_refused(forge: Forge, client: httpx.Client, form: str) -> None:
    assert status(client, form.format(forge.good)) == 401


def test_a_token_of_another_deployment_is_refused(forge: Forge, client: httpx.Client) -> None:
    theirs = Ed25519PrivateKey.generate()
    assert status(client, f"Bearer {forge.token(key=theirs, header={'kid': '1' * 32})}") == 401


def test_the_public_keys_check_what_the_service_issues(ada: SignedIn, client: httpx.Client) -> None:
    keys = client.get("/.well-known/jwks.json").json()
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(ada.access_token)["kid"]]
    claims = jwt.decode(ada.access_token, key, algorithms=["EdDSA"], audience="video2mp3", issuer="video2mp3")
    assert (claims["sub"], claims["username"]) == (ada.user_id, "ada")
    assert all("d" not in key for key in keys["keys"])
