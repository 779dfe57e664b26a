"""Signed links to results for people without an account; they expire, and end when the conversion is deleted."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from video2mp3.accounts import audit, links, users
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.conversions.downloads import RANGE_RESPONSES, Segment, serve_result
from video2mp3.api.fairness.transfers import in_transfer_thread
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.schemas import moment
from video2mp3.api.frame.services import CurrentServices
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.clock import SECOND, now
from video2mp3.database.tables import Job
from video2mp3.errors import LinkExpired, NotFound
from video2mp3.jobs import lifecycle

router = APIRouter(tags=["conversions"], route_class=SmallBodyRoute)

_DAY_S = 86_400


class NewLink(BaseModel):
    """A link to create."""

    model_config = ConfigDict(extra="forbid")

    expires_in_s: int = Field(7 * _DAY_S, ge=1, le=365 * _DAY_S, description="Seconds until it expires.")


class LinkJSON(BaseModel):
    """A link that downloads the result without an account."""

    url: str
    expires_at: datetime


@router.post("/v1/conversions/{conversion_id}/links", status_code=201)
def create_link(
    request: Request, conversion_id: ItemId, new: NewLink, user: CurrentUser, services: CurrentServices
) -> LinkJSON:
    """Creates a link that downloads the result without an account, until it expires or the conversion is deleted."""
    with services.database.write() as session:
        lifecycle.find(session, conversion_id, user.user_id)
        expires_s = _now_s(session) + new.expires_in_s
        path = links.result_path(session, conversion_id, expires_s)
        audit.record(session, "link.created", by=user.user_id, about=conversion_id)
    base = services.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    return LinkJSON(url=base + path, expires_at=moment(expires_s * SECOND))


@router.get("/v1/shared/{conversion_id}", response_class=Response, responses=RANGE_RESPONSES)
@in_transfer_thread
def download_shared_mp3(
    request: Request,
    conversion_id: ItemId,
    services: CurrentServices,
    expires: Annotated[int, Query(ge=0, lt=2**40, description="From the link.")],
    signature: Annotated[str, Query(max_length=100, description="From the link.")],
    segment: Segment = None,
) -> Response:
    """Returns the result of a link, as /v1/conversions/{id}/mp3 does, without an account."""
    with services.database.read() as session:
        job = _shared_job(session, conversion_id, expires, signature)
    response = serve_result(request, services, job, segment)
    # Pages of other sites may play it, too.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _shared_job(session: Session, job_id: str, expires_s: int, signature: str) -> Job:
    """Returns the job of a link.

    Raises:
        NotFound: when the service has not issued the link, or the conversion or its owner was deleted.
        LinkExpired: when the link has expired.
    """
    if not links.is_result_link(session, signature, job_id, expires_s):
        raise NotFound
    if expires_s <= _now_s(session):
        raise LinkExpired
    job = session.get(Job, job_id)
    if job is None or users.find(session, job.user_id) is None:
        raise NotFound
    return job


def _now_s(session: Session) -> int:
    return session.scalars(select(now())).one() // SECOND
