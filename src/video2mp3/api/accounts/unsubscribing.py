"""Unsubscribing from emails with a link in each of them, without signing in (RFC 8058)."""

from html import escape
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from video2mp3.accounts import links, users
from video2mp3.api.frame.pages import PLAIN_CSP
from video2mp3.api.frame.parameters import ItemId
from video2mp3.api.frame.services import CurrentServices
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.tables import User
from video2mp3.errors import NotFound

router = APIRouter(prefix="/v1/unsubscribe", tags=["accounts"], route_class=SmallBodyRoute)

UserId = Annotated[ItemId, Query(alias="user", description="From the link.")]
Signature = Annotated[str, Query(max_length=100, description="From the link.")]


@router.get("", response_class=HTMLResponse)
def read_unsubscribe_page(
    request: Request, user_id: UserId, signature: Signature, services: CurrentServices
) -> HTMLResponse:
    """Shows a page with a button. Changes nothing, because programs also open the links in emails."""
    with services.database.read() as session:
        user = _user_of(session, user_id, signature)
    question = f"No more emails about the conversions of {escape(user.username)}?"
    # Relative, because there may be a path prefix.
    target = escape(f"?{request.url.query}")
    return _page(f'<p>{question}</p><form method="post" action="{target}"><button>No more emails</button></form>')


@router.post("", response_class=HTMLResponse)
def unsubscribe(user_id: UserId, signature: Signature, services: CurrentServices) -> HTMLResponse:
    """Stops the emails about conversions. PATCH /v1/me enables them again."""
    with services.database.write() as session:
        user = _user_of(session, user_id, signature)
        users.change(session, user, email=user.email, email_notifications=False)
    return _page("<p>There will be no more emails.</p>")


def _user_of(session: Session, user_id: str, signature: str) -> User:
    user = users.find(session, user_id)
    if user is None or not links.is_unsubscribe_link(session, signature, user_id):
        raise NotFound
    return user


def _page(content: str) -> HTMLResponse:
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>video2mp3</title><body>{content}</body></html>'
    return HTMLResponse(page, headers={"Cache-Control": "no-store", "Content-Security-Policy": PLAIN_CSP})
