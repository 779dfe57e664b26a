"""Sessions over HTTP: login, refresh and logout; programs use tokens, browsers a cookie."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from video2mp3.accounts import audit, sign_ins, tokens, users
from video2mp3.accounts.sign_ins import IssuedSession
from video2mp3.api.auth.cookies import session_cookie
from video2mp3.api.auth.credentials import check_credentials, count_bad_refresh
from video2mp3.api.auth.identity import CurrentUser, Principal, device_of, require_own_origin
from video2mp3.api.frame.pages import PLAIN_CSP
from video2mp3.api.frame.parameters import Cursor, ItemId, Limit
from video2mp3.api.frame.schemas import (
    CookieSession,
    Credentials,
    Jwks,
    RefreshToken,
    SessionJSON,
    SessionPage,
    Tokens,
    moment,
)
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.tables import SignIn, User
from video2mp3.errors import Unauthenticated

NO_STORE = {"Cache-Control": "no-store"}

router = APIRouter(route_class=SmallBodyRoute, tags=["accounts"])


@router.post("/v1/sessions", response_model=Tokens | CookieSession)
def start_session(
    request: Request,
    credentials: Credentials,
    services: CurrentServices,
    cookie: Annotated[bool, Query(description="For browsers: set a cookie instead of returning tokens.")] = False,
) -> Response:
    """Starts a session with a name and a password."""
    user = check_credentials(request, services, credentials.username, credentials.password.get_secret_value())
    if cookie:
        return _start_cookie_session(request, services, user)
    lifetime_s = services.settings.refresh_token_lifetime_s
    with services.database.write() as session:
        audit.record(session, "login.succeeded", by=user.id, detail="refresh")
        started = sign_ins.start(session, user, "refresh", lifetime_s=lifetime_s, device=device_of(request))
        return _token_response(services, _access_token(session, services, user, started), started.secret)


@router.post("/v1/sessions/refresh", response_model=Tokens)
def refresh_session(request: Request, body: RefreshToken, services: CurrentServices) -> Response:
    """Exchanges a refresh token for new tokens. It works once; a second use ends the whole session."""
    lifetime_s = services.settings.refresh_token_lifetime_s
    response = None
    with services.database.write() as session:
        token = body.refresh_token.get_secret_value()
        started = sign_ins.refresh(session, token, lifetime_s=lifetime_s, device=device_of(request))
        user = users.find(session, started.user_id) if started else None
        if started and user:
            response = _token_response(services, _access_token(session, services, user, started), started.secret)
    # Raised after the commit, which a reuse needs to end the family.
    if response is None:
        count_bad_refresh(request, services)
        raise Unauthenticated("The refresh token is invalid or has expired; sign in again.")
    return response


@router.delete("/v1/sessions", status_code=204)
def end_current_session(request: Request, services: CurrentServices, body: RefreshToken | None = None) -> Response:
    """Ends the session of the refresh token or the browser's cookie."""
    cookie = request.cookies.get(session_cookie(request, services.settings).name)
    if body is None and cookie is not None:
        require_own_origin(request)
    secret = body.refresh_token.get_secret_value() if body else cookie
    with services.database.write() as session:
        ended = secret is not None and sign_ins.end(session, secret)
    if not ended:
        raise Unauthenticated("Send the refresh token as JSON, or the browser's cookie, of the session to end.")
    response = Response(status_code=204, headers=NO_STORE)
    if body is None:
        session_cookie(request, services.settings).delete_from(response)
    return response


@router.get("/v1/sessions")
def list_sessions(
    principal: CurrentUser, services: CurrentServices, limit: Limit = 20, cursor: Cursor = None
) -> SessionPage:
    """Lists the active sessions of the caller's account, with their clients; the newest first."""
    with services.database.read() as session:
        found = sign_ins.list_page(session, principal.user_id, before_id=cursor, limit=limit + 1)
    return SessionPage(
        items=[represent(one, principal) for one in found[:limit]],
        next_cursor=found[limit - 1].id if len(found) > limit else None,
    )


@router.delete("/v1/sessions/{session_id}", status_code=204)
def end_session(session_id: ItemId, principal: CurrentUser, services: CurrentServices) -> Response:
    """Ends one of the caller's sessions at once, with all its tokens."""
    with services.database.write() as session:
        sign_ins.end_one(session, session_id, principal.user_id)
        audit.record(session, "session.ended", by=principal.user_id)
    return Response(status_code=204)


@router.get("/.well-known/jwks.json")
def read_jwks(services: CurrentServices) -> Jwks:
    """Returns the public keys that verify access tokens."""
    with services.database.read() as session:
        return Jwks.model_validate(tokens.jwks(session))


@router.get("/sign-in", include_in_schema=False)
def sign_in_with_link(request: Request, services: CurrentServices, token: str = "") -> Response:
    """Signs a browser in with the one-time link that `serve` prints."""
    lifetime_s = services.settings.refresh_token_lifetime_s
    with services.database.write() as session:
        user = users.find(session, sign_ins.use_link(session, token) or "")
        device = device_of(request)
        started = sign_ins.start(session, user, "cookie", lifetime_s=lifetime_s, device=device) if user else None
        if user:
            audit.record(session, "login.succeeded", by=user.id, detail="link")
    if started is None:
        # People open a used link again in the browser that is signed in.
        return _to_page() if _has_cookie(request, services) else _refuse_link(request)
    response = _to_page()
    session_cookie(request, services.settings).set_on(response, started.secret, lifetime_s)
    return response


def access_token(request: Request, services: Services, user: User) -> str:
    """Signs the user in with a single access token, and returns it."""
    lifetime_s = services.settings.access_token_lifetime_s
    with services.database.write() as session:
        audit.record(session, "login.succeeded", by=user.id, detail="token")
        started = sign_ins.start(session, user, "access", lifetime_s=lifetime_s, device=device_of(request))
        return _access_token(session, services, user, started)


def _access_token(session: Session, services: Services, user: User, started: IssuedSession) -> str:
    lifetime_s = services.settings.access_token_lifetime_s
    return tokens.issue(tokens.signer(session), user, started.session_id, lifetime_s=lifetime_s)


def _token_response(services: Services, access_token: str, refresh_token: str) -> Response:
    found = Tokens(
        access_token=access_token, expires_in=services.settings.access_token_lifetime_s, refresh_token=refresh_token
    )
    return JSONResponse(found.model_dump(), headers=NO_STORE)


def represent(found: SignIn, principal: Principal) -> SessionJSON:
    """Represents a session as its owner sees it."""
    return SessionJSON(
        id=found.id,
        created_at=moment(found.created_at),
        last_used_at=moment(found.last_used_at or found.created_at),
        expires_at=moment(found.expires_at),
        user_agent=found.user_agent or "",
        address=found.address or "",
        current=found.id == principal.session_id,
    )


def _start_cookie_session(request: Request, services: Services, user: User) -> Response:
    # Otherwise another site could sign its visitor's browser in to an account of its choice.
    if "origin" in request.headers:
        require_own_origin(request)
    lifetime_s = services.settings.refresh_token_lifetime_s
    with services.database.write() as session:
        started = sign_ins.start(session, user, "cookie", lifetime_s=lifetime_s, device=device_of(request))
        audit.record(session, "login.succeeded", by=user.id, detail="cookie")
    body = CookieSession(username=user.username, expires_in=lifetime_s)
    response = JSONResponse(body.model_dump(), headers=NO_STORE)
    session_cookie(request, services.settings).set_on(response, started.secret, lifetime_s)
    return response


def _has_cookie(request: Request, services: Services) -> bool:
    name = session_cookie(request, services.settings).name
    with services.database.read() as session:
        return sign_ins.find_cookie(session, request.cookies.get(name, "")) is not None


def _to_page() -> Response:
    # Relative, for there may be a prefix before all our paths that only the proxy knows.
    return RedirectResponse("./", 303, headers=NO_STORE)


def _refuse_link(request: Request) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        raise Unauthenticated(
            "This sign-in link was used before, or is too old; `video2mp3 sign-in-link` prints a new one."
        )
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sign in · video2mp3</title>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        '<link rel=icon href="page/icon.svg"><link rel=stylesheet href="page/plain.css">'
        "<h1>This sign-in link no longer works</h1>"
        "<p>It was used before, or is too old. <code>video2mp3 sign-in-link</code> prints a new one; "
        'or <a href="./">sign in with a name and a password</a>.</p></html>',
        401,
        headers={**NO_STORE, "Content-Security-Policy": PLAIN_CSP},
    )
