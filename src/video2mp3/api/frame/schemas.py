"""The JSON that goes in and out, apart from conversions and uploads."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool


def moment(microseconds: int) -> datetime:
    """Turns the database's time (microseconds since 1970) into one that is written as RFC 3339 says, in UTC."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def moment_or_none(microseconds: int | None) -> datetime | None:
    """Turns one that there may be."""
    return None if microseconds is None else moment(microseconds)


class FieldError(BaseModel):
    """What is wrong with one part of a request."""

    field: str = Field(description="Where it is, such as `body.username` or `query.limit`.")
    message: str


class Problem(BaseModel):
    """An error (RFC 9457, problem details)."""

    type: str = Field(
        description="A reference to the description of the code.", json_schema_extra={"format": "uri-reference"}
    )
    title: str = Field(description="The code in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What failed, and what to do about it.")
    code: str = Field(description="Stable; for programs.")
    retryable: bool = Field(description="The same request can succeed later without being changed.")
    request_id: str = Field(description="Names the request in the service's log.")
    errors: list[FieldError] | None = Field(None, description="Each thing that is wrong with the request.")


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Credentials(_Request):
    """Who wants to sign in."""

    username: str = Field(max_length=256)
    password: SecretStr = Field(max_length=1024)


class NewAccount(Credentials):
    """An account to be made."""

    email: str | None = Field(None, max_length=254, description="Where mails about conversions go.")
    invitation: SecretStr | None = Field(
        None, max_length=100, description="The code of an invitation, where registration asks for one."
    )


class AccountChanges(_Request):
    """What is to be changed about the caller's account; what is not named stays."""

    email: str | None = Field(None, max_length=254, description="null: none.")
    mail: StrictBool = Field(True, description="Whether mails about conversions are sent.")
    current_password: SecretStr | None = Field(
        None, max_length=1024, description="Needed for another address, where the account has a password."
    )


class NewPassword(_Request):
    """Another password for the caller's account."""

    current_password: SecretStr | None = Field(None, max_length=1024, description="Needed where the account has one.")
    new_password: SecretStr = Field(max_length=1024)


class RefreshToken(_Request):
    """The refresh token of a sign-in."""

    refresh_token: SecretStr = Field(max_length=256)


class Account(BaseModel):
    """An account, as its owner sees it."""

    id: str
    username: str
    email: str | None
    email_verified: bool = Field(description="Whether it was shown that letters to that address arrive.")
    mail: bool = Field(description="Whether mails about conversions are sent.")
    role: str
    created_at: datetime


SignedInBy = Literal["token", "cookie", "api_key", "loopback"]
"""How a request said who its caller is; `loopback`: by nothing but coming from this machine."""


class SignedInAccount(Account):
    """The caller's account."""

    signed_in_by: SignedInBy = Field(
        description="How this request was signed in. A browser that is at `loopback` has yet to sign in: "
        "it can read, and do nothing else."
    )


class Tokens(BaseModel):
    """A sign-in for programs."""

    access_token: str = Field(description="A JWT for `Authorization: Bearer …`.")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Seconds that the access token is valid for.")
    refresh_token: str = Field(description="Good for one POST /v1/sessions/refresh.")


class CookieSession(BaseModel):
    """A sign-in for a browser: its secret is in the cookie that came with this answer."""

    username: str
    expires_in: int = Field(description="Seconds that the cookie is valid for.")


class SessionJSON(BaseModel):
    """A session: a program or a browser that somebody signed in."""

    id: str
    created_at: datetime
    last_used_at: datetime = Field(description="Within five minutes.")
    expires_at: datetime = Field(description="When it ends unless it is used before.")
    user_agent: str = Field(description="What the program calls itself.")
    address: str = Field(description="Where its last requests came from.")
    current: bool = Field(description="Whether this request belongs to it.")


class SessionPage(BaseModel):
    """Some sessions, the newest first."""

    items: list[SessionJSON]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last.")


class Jwk(BaseModel):
    """A public Ed25519 key (RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class Jwks(BaseModel):
    """The public keys that access tokens are signed with (RFC 7517)."""

    keys: list[Jwk]


class Message(BaseModel):
    """An answer in the words of the first version."""

    msg: str


class Username(BaseModel):
    """Who is signed in."""

    username: str
