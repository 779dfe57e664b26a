"""An owner's links to a result: created and stopped. `shared.py` serves what they lead to."""

from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.accounts import audit, links
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.schemas import RequestBody, moment
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Job
from video2mp3.jobs import lifecycle

router = APIRouter(prefix="/v1/conversions/{conversion_id}/links", tags=["conversions"], route_class=SmallBodyRoute)

_DAY_S = 86_400


class NewLink(RequestBody):
    """A link to create."""

    expires_in_s: int = Field(7 * _DAY_S, ge=1, le=365 * _DAY_S, description="Seconds until it expires.")


class LinkJSON(BaseModel):
    """A link to the result that needs no account."""

    url: str = Field(description="The result itself.")
    page_url: str = Field(description="A page that plays the MP3, with a button that downloads it.")
    expires_at: datetime


@router.post("", status_code=201)
def create_link(
    request: Request, conversion_id: ItemId, new: NewLink, user: CurrentUser, services: CurrentServices
) -> LinkJSON:
    """Creates a link that plays and downloads the result without an account.

    It works until it expires, is stopped, or the conversion is deleted.
    """
    with services.database.write() as session:
        job = lifecycle.find(session, conversion_id, user.user_id)
        expires_s = _now_s(session) + new.expires_in_s
        token = links.result_token(session, links.ResultLink(job.id, expires_s, job.link_serial))
        audit.record(session, "link.created", by=user.user_id, about=conversion_id)
    base = base_url(request, services)
    return LinkJSON(
        url=base + links.mp3_path(token), page_url=base + links.page_path(token), expires_at=moment(expires_s * SECOND)
    )


@router.delete("", status_code=204, response_class=Response)
def stop_links(conversion_id: ItemId, user: CurrentUser, services: CurrentServices) -> None:
    """Stops all links to the result that exist, also those in emails and webhooks. New ones can be created."""
    with services.database.write() as session:
        job = lifecycle.find(session, conversion_id, user.user_id)
        job.link_serial = Job.link_serial + 1
        audit.record(session, "links.stopped", by=user.user_id, about=conversion_id)


def base_url(request: Request, services: Services) -> str:
    """Returns the address that links begin with, without a slash at the end."""
    return services.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")


def _now_s(session: Session) -> int:
    return session.scalars(select(now())).one() // SECOND
