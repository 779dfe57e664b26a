"""JSON models of requests and responses, except conversions and uploads."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool


def moment(microseconds: int) -> datetime:
    """Converts the database's time (microseconds since 1970) to one that is formatted by RFC 3339, in UTC."""
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def moment_or_none(microseconds: int | None) -> datetime | None:
    """Converts a time, or returns None."""
    return None if microseconds is None else moment(microseconds)


NextCursor = Annotated[str | None, Field(description="Pass it as `cursor` for the next page; null on the last.")]
"""Where the next page of a list begins."""


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


class RequestBody(BaseModel):
    """A body, or a part of one, whose unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class Credentials(RequestBody):
    """Credentials to sign in with."""

    username: str = Field(max_length=256)
    password: SecretStr = Field(max_length=1024)


class NewAccount(Credentials):
    """An account to create."""

    email: str | None = Field(None, max_length=254, description="Where emails about conversions go.")
    invitation: SecretStr | None = Field(
        None, max_length=100, description="The code of an invitation, where registration asks for one."
    )


class AccountChanges(RequestBody):
    """Changes to the caller's account; omitted fields stay as they are."""

    email: str | None = Field(None, max_length=254, description="null: none.")
    email_notifications: StrictBool = Field(True, description="Whether emails about conversions are sent.")
    current_password: SecretStr | None = Field(
        None, max_length=1024, description="Needed for another address, where the account has a password."
    )


class NewPassword(RequestBody):
    """A new password for the caller's account."""

    current_password: SecretStr | None = Field(None, max_length=1024, description="Needed where the account has one.")
    new_password: SecretStr = Field(max_length=1024)


class RefreshToken(RequestBody):
    """The refresh token of a session."""

    refresh_token: SecretStr = Field(max_length=256)


class Account(BaseModel):
    """An account, as its owner sees it."""

    id: str
    username: str
    email: str | None
    email_verified: bool = Field(description="Whether the owner has verified that address.")
    email_notifications: bool = Field(description="Whether emails about conversions are sent.")
    role: str
    created_at: datetime


SignedInBy = Literal["token", "cookie", "api_key", "loopback"]
"""How a request was authenticated; `loopback`: it has no credentials and comes from this machine."""


class SignedInAccount(Account):
    """The caller's account."""

    signed_in_by: SignedInBy = Field(
        description="How this request was authenticated. A browser at `loopback` has not signed in yet and can only "
        "read."
    )
    built_in: bool = Field(
        description="The account `local` of this machine's user: it has no password and cannot be deleted."
    )


class Tokens(BaseModel):
    """A session for programs."""

    access_token: str = Field(description="A JWT for `Authorization: Bearer …`.")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Seconds that the access token is valid for.")
    refresh_token: str = Field(description="Valid for one POST /v1/sessions/refresh.")


class CookieSession(BaseModel):
    """A session for a browser; its secret is in the cookie of this response."""

    username: str
    expires_in: int = Field(description="Seconds that the cookie is valid for.")


class SessionJSON(BaseModel):
    """A session: a program or a browser that is signed in."""

    id: str
    created_at: datetime
    last_used_at: datetime = Field(description="Within five minutes.")
    expires_at: datetime = Field(description="When it ends, unless it is used before.")
    user_agent: str = Field(description="What the program calls itself.")
    address: str = Field(description="Where its last requests came from.")
    current: bool = Field(description="Whether this request belongs to it.")


class SessionPage(BaseModel):
    """Some sessions, the newest first."""

    items: list[SessionJSON]
    next_cursor: NextCursor


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
    """A response of the v0 API."""

    msg: str


class Username(BaseModel):
    """Who is signed in."""

    username: str
