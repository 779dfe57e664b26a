"""Sessions over HTTP: signing in, staying signed in, signing out; for programs by tokens, for browsers by cookie."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from video2mp3.accounts import audit, passwords, sign_ins, throttling, tokens, users
from video2mp3.api.accounts import COOKIE, client_address, require_own_origin
from video2mp3.api.schemas import CookieSession, Credentials, Jwks, RefreshToken, Tokens
from video2mp3.api.services import CurrentServices, Services
from video2mp3.api.small_bodies import SmallBodyRoute
from video2mp3.database.tables import User
from video2mp3.errors import InvalidCredentials, Unauthenticated

NO_STORE = {"Cache-Control": "no-store"}

router = APIRouter(route_class=SmallBodyRoute, tags=["accounts"])


@router.post("/v1/sessions", response_model=Tokens | CookieSession)
def start_session(
    request: Request,
    credentials: Credentials,
    services: CurrentServices,
    cookie: Annotated[bool, Query(description="Sign a browser in: set a cookie instead of answering tokens.")] = False,
) -> Response:
    """Sign in with a name and a password."""
    user = check_credentials(request, services, credentials.username, credentials.password.get_secret_value())
    if cookie:
        return _start_cookie_session(request, services, user)
    with services.database.write() as session:
        audit.note(session, "sign_in.ok", by=user.id, detail="refresh")
        return _token_response(
            services,
            access_token=_access_token(session, services, user),
            refresh_token=sign_ins.start(
                session, user, "refresh", lifetime_s=services.settings.refresh_token_lifetime_s
            ),
        )


@router.post("/v1/sessions/refresh", response_model=Tokens)
def refresh_session(request: Request, body: RefreshToken, services: CurrentServices) -> Response:
    """Exchange a refresh token for new tokens. It works once; used a second time it ends the whole sign-in."""
    lifetime_s = services.settings.refresh_token_lifetime_s
    response = None
    with services.database.write() as session:
        refreshed = sign_ins.refresh(session, body.refresh_token.get_secret_value(), lifetime_s=lifetime_s)
        user = users.find(session, refreshed.user_id) if refreshed else None
        if refreshed and user:
            response = _token_response(
                services,
                access_token=_access_token(session, services, user),
                refresh_token=refreshed.refresh_token,
            )
    # Raised after the commit, which a reuse needs to end the family.
    if response is None:
        _count_bad_refresh(request, services)
        raise Unauthenticated("The refresh token is not valid, or no longer; sign in again.")
    return response


@router.delete("/v1/sessions", status_code=204)
def end_session(request: Request, services: CurrentServices, body: RefreshToken | None = None) -> Response:
    """Sign out: ends the sign-in that the refresh token, or the browser's cookie, belongs to."""
    cookie = request.cookies.get(COOKIE)
    if body is None and cookie is not None:
        require_own_origin(request)
    secret = body.refresh_token.get_secret_value() if body else cookie
    with services.database.write() as session:
        ended = secret is not None and sign_ins.end(session, secret)
    if not ended:
        raise Unauthenticated("Send the refresh token as JSON, or the browser's cookie, of the sign-in to end.")
    response = Response(status_code=204, headers=NO_STORE)
    if body is None:
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=_is_secure(request, services))
    return response


@router.get("/.well-known/jwks.json")
def read_jwks(services: CurrentServices) -> Jwks:
    """The public keys that access tokens are signed with."""
    with services.database.read() as session:
        return Jwks.model_validate(tokens.jwks(session))


@router.get("/sign-in", include_in_schema=False)
def sign_in_with_link(request: Request, services: CurrentServices, token: str = "") -> Response:
    """Signs a browser in by the one-time link that `serve` prints."""
    lifetime_s = services.settings.refresh_token_lifetime_s
    with services.database.write() as session:
        user = users.find(session, sign_ins.use_link(session, token) or "")
        secret = sign_ins.start(session, user, "cookie", lifetime_s=lifetime_s) if user else None
        if user:
            audit.note(session, "sign_in.ok", by=user.id, detail="link")
    if secret is None:
        # People follow the link again where it was used before.
        return _to_page() if _has_cookie(request, services) else _refuse_link(request)
    response = _to_page()
    _set_cookie(request, response, services, secret)
    return response


def check_credentials(request: Request, services: Services, username: str, password: str) -> User:
    """Returns the user.

    Raises:
        InvalidCredentials: after the same time, and the same statements, for unknown names and wrong passwords.
        TooManyAttempts: when too many have failed; alike for names that are nobody's.
    """
    limit = services.settings.sign_in_failures
    whole_gate = throttling.sign_in(users.username_key(username), client_address(request), limit=limit)
    with services.database.read() as session:
        gate = throttling.narrowed(session, whole_gate)
        throttling.require_open(session, gate)
        user = users.find_by_username(session, username)
    if not passwords.verify_password(password, user.password_hash if user else None) or user is None:
        _count_failure(services, gate, user)
        raise InvalidCredentials
    with services.database.write() as session:
        # Again: others may have failed while this one waited for its turn.
        throttling.require_open(session, gate)
        throttling.note_success(session, whole_gate)
    return user


def _count_failure(services: Services, gate: throttling.Gate, user: User | None) -> None:
    """Counts a failed sign-in; raises TooManyAttempts when it was one too many."""
    about = user.id if user else None
    with services.database.write() as session:
        throttling.count(session, gate)
        audit.note(session, "sign_in.failed", by=None, about=about)
    with services.database.write() as session:
        throttling.require_counted(session, gate)
        if throttling.is_full(session, gate):
            audit.note(session, "sign_in.throttled", by=None, about=about)


def _count_bad_refresh(request: Request, services: Services) -> None:
    # Only bad ones count, and are refused: nobody guesses a good one, and one bad client must not end its neighbours'.
    gate = throttling.refresh(client_address(request), limit=services.settings.sign_in_failures)
    with services.database.read() as session:
        throttling.require_open(session, gate)
    with services.database.write() as session:
        throttling.count(session, gate)


def access_token(services: Services, user: User) -> str:
    """Returns a new access token for the user."""
    with services.database.write() as session:
        audit.note(session, "sign_in.ok", by=user.id, detail="token")
        return _access_token(session, services, user)


def _access_token(session: Session, services: Services, user: User) -> str:
    return tokens.issue(tokens.signer(session), user, lifetime_s=services.settings.access_token_lifetime_s)


def _token_response(services: Services, *, access_token: str, refresh_token: str) -> Response:
    found = Tokens(
        access_token=access_token,
        expires_in=services.settings.access_token_lifetime_s,
        refresh_token=refresh_token,
    )
    return JSONResponse(found.model_dump(), headers=NO_STORE)


def _start_cookie_session(request: Request, services: Services, user: User) -> Response:
    # Else another site could sign its visitor's browser in as somebody of its own choice.
    if "origin" in request.headers:
        require_own_origin(request)
    lifetime_s = services.settings.refresh_token_lifetime_s
    with services.database.write() as session:
        secret = sign_ins.start(session, user, "cookie", lifetime_s=lifetime_s)
        audit.note(session, "sign_in.ok", by=user.id, detail="cookie")
    body = CookieSession(username=user.username, expires_in=lifetime_s)
    response = JSONResponse(body.model_dump(), headers=NO_STORE)
    _set_cookie(request, response, services, secret)
    return response


def _set_cookie(request: Request, response: Response, services: Services, secret: str) -> None:
    response.set_cookie(
        COOKIE,
        secret,
        max_age=services.settings.refresh_token_lifetime_s,
        httponly=True,
        samesite="lax",
        secure=_is_secure(request, services),
    )


def _is_secure(request: Request, services: Services) -> bool:
    return request.scope["scheme"] == "https" or services.settings.public_url.startswith("https:")


def _has_cookie(request: Request, services: Services) -> bool:
    with services.database.read() as session:
        return sign_ins.find_cookie(session, request.cookies.get(COOKIE, "")) is not None


def _to_page() -> Response:
    # Relative, for there may be a prefix before all our paths that only the proxy knows.
    return RedirectResponse("./", 303, headers=NO_STORE)


def _refuse_link(request: Request) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        raise Unauthenticated(
            "This sign-in link was used before, or is too old; start the service again for a new one."
        )
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sign in · video2mp3</title>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        '<link rel=icon href="page/icon.svg"><link rel=stylesheet href="page/plain.css">'
        "<h1>This sign-in link no longer works</h1>"
        "<p>It was used before, or is too old. Start the service again for a new one, "
        'or <a href="./">sign in with a name and a password</a>.</p></html>',
        401,
        headers=NO_STORE,
    )
