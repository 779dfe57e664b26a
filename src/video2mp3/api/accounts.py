"""Accounts and sessions over HTTP, and who the caller is."""

import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from video2mp3.accounts import passwords, sign_ins, tokens, users
from video2mp3.api.loopback import is_local_program
from video2mp3.api.schemas import (
    Account,
    CookieSession,
    Credentials,
    Jwks,
    NewAccount,
    RefreshToken,
    Tokens,
    moment,
)
from video2mp3.api.services import CurrentServices, Services, get_services
from video2mp3.api.small_bodies import SmallBodyRoute
from video2mp3.database.tables import User
from video2mp3.errors import Forbidden, InvalidCredentials, Unauthenticated, UsernameTaken

COOKIE = "video2mp3_session"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# The quotes are what the seed's own clients send: they pass on the JSON string as it came.
_BEARER = re.compile(r'bearer +"?([^\s"]+)"?', re.IGNORECASE)
_NO_STORE = {"Cache-Control": "no-store"}

router = APIRouter(route_class=SmallBodyRoute, tags=["accounts"])


# -- Who the caller is --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Principal:
    """Who the caller is."""

    user_id: str
    username: str
    role: str


def current_user(
    request: Request,
    _bearer: Annotated[object, Depends(HTTPBearer(auto_error=False, description="An access token."))],
    _cookie: Annotated[object, Depends(APIKeyCookie(name=COOKIE, auto_error=False))],
) -> Principal:
    """Returns who the caller is: by access token, by the browser's cookie, or as this machine's own user.

    Credentials that are there but wrong are an error; they never make the caller `local`. The two unused
    parameters only put their schemes into the API's description.

    Raises:
        Unauthenticated: when there are no credentials, or wrong ones.
        Forbidden: when a cookie comes with an unsafe request that no page of ours sent.
    """
    services = get_services(request)
    with services.database.read() as session:
        user = _find_user(session, request, services)
    if user is None:
        # The user `local` was never needed before.
        with services.database.write() as session:
            user = users.local_user(session)
    return Principal(user.id, user.username, user.role)


CurrentUser = Annotated[Principal, Depends(current_user)]
"""The type of a route's parameter that receives who the caller is."""


def _find_user(session: Session, request: Request, services: Services) -> User | None:
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _user_of_token(session, authorization)
    cookie = request.cookies.get(COOKIE)
    if cookie is not None:
        require_own_origin(request)
        return _require(users.find(session, sign_ins.find_cookie(session, cookie) or ""))
    if services.trust_loopback and is_local_program(request):
        return users.find_local_user(session)
    raise Unauthenticated


def _user_of_token(session: Session, authorization: str) -> User:
    bearer = _BEARER.fullmatch(authorization.strip())
    if bearer is None:
        raise Unauthenticated
    return _require(users.find(session, tokens.verify(session, bearer[1])))


def _require(user: User | None) -> User:
    if user is None:
        raise Unauthenticated("This sign-in has ended; sign in again.")
    return user


def require_own_origin(request: Request) -> None:
    """Raises Forbidden when an unsafe request is not from a page of the address that it came to."""
    if request.method in _SAFE_METHODS:
        return
    host = request.headers.get("host", "")
    if not host or urlsplit(request.headers.get("origin", "")).netloc.lower() != host.lower():
        raise Forbidden("A request with the browser's cookie must come from this service's own page (see Origin).")


# -- Accounts -----------------------------------------------------------------------------------------


@router.post("/v1/accounts", status_code=201)
def make_account(new: NewAccount, services: CurrentServices) -> Account:
    """Make an account."""
    return _account(register(services, new.username, new.password.get_secret_value(), new.email))


@router.get("/v1/me")
def read_me(principal: CurrentUser, services: CurrentServices) -> Account:
    """Who the caller is."""
    with services.database.read() as session:
        return _account(_require(users.find(session, principal.user_id)))


def register(services: Services, username: str, password: str, email: str | None = None) -> User:
    """Makes an account, where registration is open.

    Raises:
        Forbidden: when it is closed.
        InvalidRequest: when the name, the password or the e-mail address is not allowed.
        UsernameTaken: when somebody has the name.
    """
    if not services.settings.registration_open:
        raise Forbidden("Registration is closed here; ask the operator for an account.")
    users.check_username(username)
    passwords.check_password(password, min_length=services.settings.password_min_length)
    with services.database.read() as session:
        if users.is_taken(session, username):
            raise UsernameTaken
    password_hash = passwords.hash_password(password)
    with services.database.write() as session:
        return users.add(session, username=username, password_hash=password_hash, email=email)


def check_credentials(services: Services, username: str, password: str) -> User:
    """Returns the user; raises InvalidCredentials, after the same time for unknown names and wrong passwords."""
    with services.database.read() as session:
        user = users.find_by_username(session, username)
    if not passwords.verify_password(password, user.password_hash if user else None) or user is None:
        raise InvalidCredentials
    return user


def _account(user: User) -> Account:
    return Account(
        id=user.id, username=user.username, email=user.email, role=user.role, created_at=moment(user.created_at)
    )


# -- Sessions -----------------------------------------------------------------------------------------


@router.post("/v1/sessions", response_model=Tokens | CookieSession)
def start_session(
    request: Request,
    credentials: Credentials,
    services: CurrentServices,
    cookie: Annotated[bool, Query(description="Sign a browser in: set a cookie instead of answering tokens.")] = False,
) -> Response:
    """Sign in with a name and a password."""
    user = check_credentials(services, credentials.username, credentials.password.get_secret_value())
    if cookie:
        return _start_cookie_session(request, services, user)
    with services.database.write() as session:
        return _token_response(
            services,
            access_token=_access_token(session, services, user),
            refresh_token=sign_ins.start(
                session, user, "refresh", lifetime_s=services.settings.refresh_token_lifetime_s
            ),
        )


@router.post("/v1/sessions/refresh", response_model=Tokens)
def refresh_session(body: RefreshToken, services: CurrentServices) -> Response:
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
    response = Response(status_code=204, headers=_NO_STORE)
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
    if secret is None:
        return _refuse_link(request)
    response = RedirectResponse("/", 303, headers=_NO_STORE)
    _set_cookie(request, response, services, secret)
    return response


def access_token(services: Services, user: User) -> str:
    """Returns a new access token for the user."""
    with services.database.write() as session:
        return _access_token(session, services, user)


def _access_token(session: Session, services: Services, user: User) -> str:
    return tokens.issue(tokens.signer(session), user, lifetime_s=services.settings.access_token_lifetime_s)


def _token_response(services: Services, *, access_token: str, refresh_token: str) -> Response:
    found = Tokens(
        access_token=access_token,
        expires_in=services.settings.access_token_lifetime_s,
        refresh_token=refresh_token,
    )
    return JSONResponse(found.model_dump(), headers=_NO_STORE)


def _start_cookie_session(request: Request, services: Services, user: User) -> Response:
    # Else another site could sign its visitor's browser in as somebody of its own choice.
    if "origin" in request.headers:
        require_own_origin(request)
    lifetime_s = services.settings.refresh_token_lifetime_s
    with services.database.write() as session:
        secret = sign_ins.start(session, user, "cookie", lifetime_s=lifetime_s)
    body = CookieSession(username=user.username, expires_in=lifetime_s)
    response = JSONResponse(body.model_dump(), headers=_NO_STORE)
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
    return request.url.scheme == "https" or services.settings.public_url.startswith("https:")


def _refuse_link(request: Request) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        raise Unauthenticated(
            "This sign-in link was used before, or is too old; start the service again for a new one."
        )
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Sign in · video2mp3</title>"
        "<h1>This sign-in link no longer works</h1>"
        "<p>It was used before, or is too old. Start the service again for a new one, "
        'or <a href="/">sign in with a name and a password</a>.</p></html>',
        401,
        headers=_NO_STORE,
    )
