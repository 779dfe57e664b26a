"""Routes for administrators: accounts, without access to what users have stored."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StrictBool

from video2mp3.accounts import audit, users
from video2mp3.api.auth.identity import CurrentAdmin
from video2mp3.api.frame.parameters import Cursor, ItemId, Limit
from video2mp3.api.frame.schemas import NextCursor, RequestBody, moment, moment_or_none
from video2mp3.api.frame.services import CurrentServices
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.tables import User
from video2mp3.errors import Conflict

router = APIRouter(prefix="/v1/admin/users", tags=["administration"], route_class=SmallBodyRoute)

Role = Literal["user", "admin"]


class AdminUser(BaseModel):
    """An account, as administrators see it."""

    id: str
    username: str
    email: str | None
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    deleted_at: datetime | None = Field(description="When its owner deleted it; the account is erased after its data.")

    @classmethod
    def of(cls, user: User) -> "AdminUser":
        """Represents a row."""
        return cls(
            id=user.id,
            username=user.username,
            email=user.email,
            role="admin" if user.role == "admin" else "user",
            created_at=moment(user.created_at),
            disabled_at=moment_or_none(user.disabled_at),
            deleted_at=moment_or_none(user.deleted_at),
        )


class AdminUserPage(BaseModel):
    """Some accounts, the newest first."""

    items: list[AdminUser]
    next_cursor: NextCursor


class AdminUserChanges(RequestBody):
    """Changes to an account; omitted fields stay as they are."""

    disabled: StrictBool | None = Field(None, description="Disabling ends all sessions at once; API keys are refused.")
    role: Role | None = None


@router.get("")
def list_users(
    _: CurrentAdmin,
    services: CurrentServices,
    search: Annotated[str, Query(max_length=100, description="Part of the name or the email address.")] = "",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> AdminUserPage:
    """Lists the accounts, the newest first."""
    with services.database.read() as session:
        found = users.list_page(session, search=search, before_id=cursor, limit=limit + 1)
    return AdminUserPage(
        items=[AdminUser.of(user) for user in found[:limit]],
        next_cursor=found[limit - 1].id if len(found) > limit else None,
    )


@router.get("/{user_id}")
def read_user(user_id: ItemId, _: CurrentAdmin, services: CurrentServices) -> AdminUser:
    """Returns one account."""
    with services.database.read() as session:
        return AdminUser.of(users.find_any(session, user_id))


@router.patch("/{user_id}")
def change_user(
    user_id: ItemId, changes: AdminUserChanges, admin: CurrentAdmin, services: CurrentServices
) -> AdminUser:
    """Disables or enables an account, or changes its role. After enabling, its user has to sign in again."""
    # An administrator cannot lock themselves out by mistake; `users` makes sure that one administrator is left.
    if user_id == admin.user_id:
        raise Conflict("Administrators cannot change their own account; another administrator can.")
    with services.database.write() as session:
        user = users.find_any(session, user_id)
        if users.is_local(user):
            raise Conflict("The account of this machine's own user cannot be changed.")
        if changes.role is not None:
            users.set_role(session, user, changes.role)
            audit.record(session, "account.role_changed", by=admin.user_id, about=user.id, detail=changes.role)
        if changes.disabled is True:
            users.disable(session, user)
            audit.record(session, "account.disabled", by=admin.user_id, about=user.id)
        if changes.disabled is False:
            users.enable(session, user)
            audit.record(session, "account.enabled", by=admin.user_id, about=user.id)
        return AdminUser.of(user)
