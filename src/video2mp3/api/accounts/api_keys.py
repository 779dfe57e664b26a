"""API keys over HTTP: for programs that run without their user."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, Field

from video2mp3.accounts import api_keys, audit
from video2mp3.accounts.api_keys import Scope
from video2mp3.api.accounts.sessions import NO_STORE
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.schemas import RequestBody, moment, moment_or_none
from video2mp3.api.frame.services import CurrentServices
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.tables import ApiKey
from video2mp3.errors import Forbidden

router = APIRouter(prefix="/v1/api-keys", tags=["accounts"], route_class=SmallBodyRoute)

_DAY_S = 86_400


def _visible(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError("a name needs at least one character, and only printable ones")
    return name


class NewApiKey(RequestBody):
    """An API key to create."""

    name: Annotated[str, AfterValidator(_visible)] = Field(max_length=100, description="What it is for.")
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=10,
        description="`read`: list and download; `convert`: also upload and convert; `admin`: administer the service.",
    )
    expires_in_s: int | None = Field(
        None, ge=60, le=3660 * _DAY_S, description="Seconds until it expires; null: never."
    )


class ApiKeyJSON(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    hint: str = Field(description="Its first letters.")
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="Within a minute; null: never.")

    @classmethod
    def of(cls, key: ApiKey) -> "ApiKeyJSON":
        """Represents a row."""
        return cls(
            id=key.id,
            name=key.name,
            scopes=api_keys.scopes_of(key),
            hint=key.hint,
            created_at=moment(key.created_at),
            expires_at=moment_or_none(key.expires_at),
            last_used_at=moment_or_none(key.last_used_at),
        )


class CreatedApiKey(ApiKeyJSON):
    """A new API key."""

    key: str = Field(description="For `Authorization: Bearer …`. It is shown only once.")


class ApiKeyList(BaseModel):
    """All API keys of the account."""

    items: list[ApiKeyJSON]


@router.post("", status_code=201)
def create_api_key(new: NewApiKey, user: CurrentUser, services: CurrentServices, response: Response) -> CreatedApiKey:
    """Creates an API key. Only this response contains the key."""
    if "admin" in new.scopes and user.role != "admin":
        raise Forbidden("Only administrators can create keys with the scope `admin`.")
    with services.database.write() as session:
        key, secret = api_keys.create(session, user.user_id, new.name, new.scopes, lifetime_s=new.expires_in_s)
        audit.record(session, "api_key.created", by=user.user_id, about=key.id)
    response.headers.update(NO_STORE)
    return CreatedApiKey(**ApiKeyJSON.of(key).model_dump(), key=secret)


@router.get("")
def list_api_keys(user: CurrentUser, services: CurrentServices) -> ApiKeyList:
    """Lists the API keys, the oldest first, including expired ones."""
    with services.database.read() as session:
        return ApiKeyList(items=[ApiKeyJSON.of(key) for key in api_keys.find_all(session, user.user_id)])


@router.delete("/{key_id}", status_code=204)
def delete_api_key(key_id: ItemId, user: CurrentUser, services: CurrentServices) -> Response:
    """Deletes an API key: it is refused at once."""
    with services.database.write() as session:
        api_keys.delete(session, key_id, user.user_id)
        audit.record(session, "api_key.deleted", by=user.user_id, about=key_id)
    return Response(status_code=204)
