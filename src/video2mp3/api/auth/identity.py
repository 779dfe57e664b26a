"""Authenticates the caller and checks its permissions."""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.dependencies.models import Dependant
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy.orm import Session
from starlette.requests import Request

from video2mp3.accounts import api_keys, sign_ins, tokens, users
from video2mp3.accounts.api_keys import Scope
from video2mp3.accounts.sign_ins import Device
from video2mp3.api.auth.cookies import NAME, session_cookie
from video2mp3.api.auth.loopback import is_local_program
from video2mp3.api.auth.scopes import require_scope
from video2mp3.api.fairness.rates import rates_of
from video2mp3.api.frame.schemas import SignedInBy
from video2mp3.api.frame.services import Services, get_services
from video2mp3.database.tables import User
from video2mp3.errors import Forbidden, Unauthenticated, Unavailable

_OF_COOKIE = "A browser's session; the name also has the port and the path that the service is reached by."
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Clients of the v0 API send the token in quotes: they pass on the JSON string as they received it.
_BEARER = re.compile(r'bearer +"?([^\s"]+)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Principal:
    """Who the caller is."""

    user_id: str
    username: str
    role: str
    signed_in_by: SignedInBy
    session_id: str | None = None
    """Of the session that the access token or the cookie belongs to."""
    api_key_id: str | None = None
    scopes: tuple[Scope, ...] | None = None
    """The scopes of an API key; None: no restriction."""
    needs_last_used_update: bool = False
    """This use of the session or the key has to be recorded."""


def current_user(
    request: Request,
    _bearer: Annotated[object, Depends(HTTPBearer(auto_error=False, description="An access token, or an API key."))],
    _cookie: Annotated[object, Depends(APIKeyCookie(name=NAME, auto_error=False, description=_OF_COOKIE))],
) -> Principal:
    """Authenticates the caller by access token, API key or the browser's cookie, or as this machine's own user.

    Invalid credentials are an error; they never make the caller `local`. The two unused parameters only add their
    schemes to the API's description.

    Raises:
        Unauthenticated: when there are no credentials, or invalid ones.
        InsufficientScope: when the API key lacks the scope.
        Forbidden: when an unsafe request with a cookie was not sent by this service's page.
        RateLimited: when the account or the address exceeds its rate.
    """
    services = get_services(request)
    try:
        with services.database.read() as session:
            principal = _find_principal(session, request, services)
    except (Unauthenticated, Forbidden):
        rates_of(request).count_address(request)
        raise
    if principal is None:
        # First use of the user `local`.
        with services.database.write() as session:
            principal = _of(users.local_user(session), "loopback")
    if principal.signed_in_by != "loopback":
        request.app.state.callers.learn(request.scope, principal.user_id)
        rates_of(request).count_user(request, principal.user_id)
    if principal.scopes is not None:
        require_scope(request, principal.scopes)
    if principal.needs_last_used_update:
        _note_use(services, principal, request)
    return principal


CurrentUser = Annotated[Principal, Depends(current_user)]
"""The type of a route's parameter that receives the caller."""


async def count_anonymous(request: Request) -> None:
    """Counts a request to a route without authentication; raises RateLimited if it exceeds the rate."""
    if _asks_who(request.scope["route"].dependant):
        return
    if not (get_services(request).trust_loopback and is_local_program(request)):
        rates_of(request).count_address(request)


def _asks_who(dependant: Dependant) -> bool:
    return any(below.call is current_user or _asks_who(below) for below in dependant.dependencies)


def current_admin(user: CurrentUser) -> Principal:
    """Returns the caller if it is an administrator; else raises Forbidden, whatever the request is."""
    if user.role != "admin":
        raise Forbidden("This is for administrators.")
    return user


CurrentAdmin = Annotated[Principal, Depends(current_admin)]
"""The type of a route's parameter that receives the calling administrator."""


def is_still_signed_in(services: Services, principal: Principal) -> bool:
    """Returns whether the caller's credentials are still valid; long responses check this periodically."""
    with services.database.read() as session:
        if principal.session_id is not None:
            return sign_ins.find(session, principal.session_id) is not None
        if principal.api_key_id is not None:
            return api_keys.is_good(session, principal.api_key_id)
        return users.find(session, principal.user_id) is not None


def require_user(session: Session, principal: Principal) -> User:
    """Returns the caller's row; raises Unauthenticated if the account has been disabled or deleted."""
    user = users.find(session, principal.user_id)
    if user is None:
        raise _ended()
    return user


def client_address(request: Request) -> str | None:
    """Returns the address that the request came from."""
    return request.client.host if request.client else None


def device_of(request: Request) -> Device:
    """Returns the request's client, as a session shows it to its owner."""
    return Device(request.headers.get("user-agent", ""), client_address(request) or "")


def require_own_origin(request: Request) -> None:
    """Raises Forbidden if an unsafe request does not come from a page of the same origin."""
    if request.method in _SAFE_METHODS:
        return
    # Compared as text: a hostile client may send anything in either header.
    host = request.headers.get("host", "").lower()
    scheme, _, origin = request.headers.get("origin", "").lower().partition("://")
    if not host or scheme not in ("http", "https") or origin != host:
        raise Forbidden("A request with the browser's cookie must come from this service's own page (see Origin).")


def _find_principal(session: Session, request: Request, services: Services) -> Principal | None:
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _of_bearer(session, authorization)
    cookie = request.cookies.get(session_cookie(request, services.settings).name)
    if cookie is not None:
        require_own_origin(request)
        return _of_session(sign_ins.find_cookie(session, cookie), "cookie")
    if services.trust_loopback and is_local_program(request):
        user = users.find_local_user(session)
        return _of(user, "loopback") if user else None
    raise Unauthenticated


def _of_bearer(session: Session, authorization: str) -> Principal:
    bearer = _BEARER.fullmatch(authorization.strip())
    if bearer is None:
        raise Unauthenticated
    if bearer[1].startswith(api_keys.PREFIX):
        return _of_api_key(session, bearer[1])
    token = tokens.verify(session, bearer[1])
    found = sign_ins.find(session, token.session_id)
    # The signature proves that the service issued both; this check, that they belong together.
    return _of_session(found if found and found.user.id == token.user_id else None, "token")


def _of_session(found: sign_ins.SessionLookup | None, signed_in_by: SignedInBy) -> Principal:
    if found is None:
        raise _ended()
    return _of(
        found.user, signed_in_by, session_id=found.session_id, needs_last_used_update=found.needs_last_used_update
    )


def _of_api_key(session: Session, secret: str) -> Principal:
    found = api_keys.find(session, secret)
    if found is None:
        raise Unauthenticated("The API key is invalid or has expired.")
    scopes = tuple(api_keys.scopes_of(found.key))
    return _of(
        found.user,
        "api_key",
        api_key_id=found.key.id,
        scopes=scopes,
        needs_last_used_update=found.needs_last_used_update,
    )


def _of(
    user: User,
    signed_in_by: SignedInBy,
    *,
    session_id: str | None = None,
    api_key_id: str | None = None,
    scopes: tuple[Scope, ...] | None = None,
    needs_last_used_update: bool = False,
) -> Principal:
    return Principal(
        user.id, user.username, user.role, signed_in_by, session_id, api_key_id, scopes, needs_last_used_update
    )


def _note_use(services: Services, principal: Principal, request: Request) -> None:
    # Informational only: no request fails because this write does.
    with suppress(Unavailable), services.database.write() as session:
        if principal.session_id is not None:
            sign_ins.record_use(session, principal.session_id, device_of(request))
        elif principal.api_key_id is not None:
            api_keys.record_use(session, principal.api_key_id)


def _ended() -> Unauthenticated:
    return Unauthenticated("This session has ended; sign in again.")
