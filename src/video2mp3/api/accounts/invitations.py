"""Invitations over HTTP, for administrators."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from video2mp3.accounts import audit, invitations
from video2mp3.api.accounts.sessions import NO_STORE
from video2mp3.api.auth.identity import CurrentAdmin
from video2mp3.api.frame.parameters import Cursor, ItemId, Limit
from video2mp3.api.frame.schemas import NextCursor, RequestBody, moment, moment_or_none
from video2mp3.api.frame.services import CurrentServices
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.tables import Invitation

router = APIRouter(prefix="/v1/invitations", tags=["administration"], route_class=SmallBodyRoute)


class NewInvitation(RequestBody):
    """An invitation to create."""

    expires_in_s: int = Field(invitations.LIFETIME_S, ge=60, le=365 * 86_400, description="Seconds until it expires.")


class InvitationJSON(BaseModel):
    """An invitation, without its code."""

    id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_by: str | None = Field(description="The id of the account that was created with it.")

    @classmethod
    def of(cls, invitation: Invitation) -> "InvitationJSON":
        """Represents a row."""
        return cls(
            id=invitation.id,
            created_at=moment(invitation.created_at),
            expires_at=moment(invitation.expires_at),
            used_at=moment_or_none(invitation.used_at),
            used_by=invitation.used_by,
        )


class CreatedInvitation(InvitationJSON):
    """A new invitation."""

    code: str = Field(description="For `invitation` of POST /v1/accounts. It is shown only once.")
    url: str = Field(description="The page's registration form for the invited person.")


class InvitationPage(BaseModel):
    """Some invitations, the newest first."""

    items: list[InvitationJSON]
    next_cursor: NextCursor


@router.post("", status_code=201)
def create_invitation(
    new: NewInvitation, admin: CurrentAdmin, services: CurrentServices, request: Request, response: Response
) -> CreatedInvitation:
    """Creates an invitation for one account. Only this response contains its code."""
    with services.database.write() as session:
        made, code = invitations.create(session, created_by=admin.user_id, lifetime_s=new.expires_in_s)
        audit.record(session, "invitation.created", by=admin.user_id, about=made.id)
    response.headers.update(NO_STORE)
    # Without a public URL, the link has the address by which the administrator reached the service.
    url = (services.settings.public_url or str(request.base_url)).rstrip("/") + invitations.path(code)
    return CreatedInvitation(**InvitationJSON.of(made).model_dump(), code=code, url=url)


@router.get("")
def list_invitations(
    _: CurrentAdmin, services: CurrentServices, limit: Limit = 20, cursor: Cursor = None
) -> InvitationPage:
    """Lists the invitations, the newest first, including used and expired ones."""
    with services.database.read() as session:
        found = invitations.list_page(session, before_id=cursor, limit=limit + 1)
    return InvitationPage(
        items=[InvitationJSON.of(one) for one in found[:limit]],
        next_cursor=found[limit - 1].id if len(found) > limit else None,
    )


@router.delete("/{invitation_id}", status_code=204)
def delete_invitation(invitation_id: ItemId, admin: CurrentAdmin, services: CurrentServices) -> Response:
    """Revokes an invitation; an account that was created with it stays."""
    with services.database.write() as session:
        invitations.delete(session, invitation_id)
        audit.record(session, "invitation.deleted", by=admin.user_id, about=invitation_id)
    return Response(status_code=204)
