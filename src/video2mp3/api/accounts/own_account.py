"""Usage and deletion of the caller's account."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import delete

from video2mp3.accounts import audit, users
from video2mp3.api.auth.cookies import session_cookie
from video2mp3.api.auth.credentials import check_own_password
from video2mp3.api.auth.identity import CurrentUser, require_user
from video2mp3.api.frame.schemas import RequestBody
from video2mp3.api.frame.services import CurrentServices
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.tables import Webhook
from video2mp3.jobs.canceling import cancel_all
from video2mp3.jobs.limits import count_waiting
from video2mp3.uploads import count_used

router = APIRouter(prefix="/v1/me", tags=["accounts"], route_class=SmallBodyRoute)


class Used(BaseModel):
    """A use and its limit."""

    used: int
    limit: int


class Usage(BaseModel):
    """What an account uses of its limits."""

    waiting_jobs: Used = Field(description="Conversions that wait, for their uploads or for a worker.")
    uploads: Used = Field(description="Files that are being sent.")
    bytes: Used = Field(description="Of uploads and results together.")


class DeleteAccountRequest(RequestBody):
    """Confirmation of the deletion of an account."""

    password: SecretStr | None = Field(None, max_length=1024, description="Needed where the account has one.")


@router.get("/usage")
def read_usage(principal: CurrentUser, services: CurrentServices) -> Usage:
    """Returns how much of its limits the account uses."""
    settings = services.settings
    with services.database.read() as session:
        waiting, stored = count_waiting(session, principal.user_id), count_used(session, principal.user_id)
    return Usage(
        waiting_jobs=Used(used=waiting, limit=settings.max_user_jobs),
        uploads=Used(used=stored.uploads, limit=settings.max_user_uploads),
        bytes=Used(used=stored.bytes, limit=settings.max_user_bytes),
    )


@router.delete("", status_code=202, response_class=Response)
def delete_own_account(
    request: Request, deletion: DeleteAccountRequest, principal: CurrentUser, services: CurrentServices
) -> Response:
    """Deletes the caller's account. It is disabled at once, and its conversions are canceled; within minutes all its
    data is erased, the account last. This cannot be undone.
    """
    check_own_password(request, services, principal, deletion.password.get_secret_value() if deletion.password else "")
    with services.database.write() as session:
        user = require_user(session, principal)
        users.delete(session, user)
        # Without notifications about the conversions that are canceled now.
        session.execute(delete(Webhook).where(Webhook.user_id == user.id))
        audit.record(session, "account.deleted", by=user.id)
    cancel_all(services.database, user.id)
    response = Response(status_code=202)
    session_cookie(request, services.settings).delete_from(response)
    return response
