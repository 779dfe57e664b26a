"""Who the caller is, and what it may do here."""

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
# Clients of the v0 API send the quotes: they pass on the JSON string unchanged.
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
    """What an API key may do; None: all that its account may."""
    needs_last_used_update: bool = False
    """This use of the session or the key is to be written down."""


def current_user(
    request: Request,
    _bearer: Annotated[object, Depends(HTTPBearer(auto_error=False, description="An access token, or an API key."))],
    _cookie: Annotated[object, Depends(APIKeyCookie(name=NAME, auto_error=False, description=_OF_COOKIE))],
) -> Principal:
    """Returns who the caller is: by access token, API key, the browser's cookie, or as this machine's own user.

    Credentials that are there but wrong are an error; they never make the caller `local`. The two unused
    parameters only put their schemes into the API's description.

    Raises:
        Unauthenticated: when there are no credentials, or wrong ones.
        InsufficientScope: when an API key may not do this.
        Forbidden: when a cookie comes with an unsafe request that no page of ours sent.
        RateLimited: when it is one request too many, of the account or of the address.
    """
    services = get_services(request)
    try:
        with services.database.read() as session:
            principal = _find_principal(session, request, services)
    except (Unauthenticated, Forbidden):
        rates_of(request).count_address(request)
        raise
    if principal is None:
        # The user `local` was never needed before.
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
"""The type of a route's parameter that receives who the caller is."""


async def count_anonymous(request: Request) -> None:
    """Counts a request to a route that does not ask who the caller is; raises RateLimited when it is one too many."""
    if _asks_who(request.scope["route"].dependant):
        return
    if not (get_services(request).trust_loopback and is_local_program(request)):
        rates_of(request).count_address(request)


def _asks_who(dependant: Dependant) -> bool:
    return any(below.call is current_user or _asks_who(below) for below in dependant.dependencies)


def current_admin(user: CurrentUser) -> Principal:
    """Returns who the caller is, on routes of administrators; raises Forbidden for others, whatever they ask for."""
    if user.role != "admin":
        raise Forbidden("This is for administrators.")
    return user


CurrentAdmin = Annotated[Principal, Depends(current_admin)]
"""The type of a route's parameter that receives which administrator the caller is."""


def is_still_signed_in(services: Services, principal: Principal) -> bool:
    """Says whether the caller would be let in again: what takes long asks now and then."""
    with services.database.read() as session:
        if principal.session_id is not None:
            return sign_ins.find(session, principal.session_id) is not None
        if principal.api_key_id is not None:
            return api_keys.is_good(session, principal.api_key_id)
        return users.find(session, principal.user_id) is not None


def require_user(session: Session, principal: Principal) -> User:
    """Returns the caller's row; raises Unauthenticated when the account was disabled or deleted meanwhile."""
    user = users.find(session, principal.user_id)
    if user is None:
        raise _ended()
    return user


def client_address(request: Request) -> str | None:
    """Returns the address that the request came from."""
    return request.client.host if request.client else None


def device_of(request: Request) -> Device:
    """Returns what the request came from, as a session shows it to its owner."""
    return Device(request.headers.get("user-agent", ""), client_address(request) or "")


def require_own_origin(request: Request) -> None:
    """Raises Forbidden when an unsafe request is not from a page of the address that it came to."""
    if request.method in _SAFE_METHODS:
        return
    # Compared as text: what a hostile client makes of either need not be an address at all.
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
    # The signature says that both are ours; this, that they belong together.
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
        raise Unauthenticated("The API key is not valid, or no longer.")
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
    # It is for the owner's eyes: no request fails because it cannot be written.
    with suppress(Unavailable), services.database.write() as session:
        if principal.session_id is not None:
            sign_ins.record_use(session, principal.session_id, device_of(request))
        elif principal.api_key_id is not None:
            api_keys.record_use(session, principal.api_key_id)


def _ended() -> Unauthenticated:
    return Unauthenticated("This sign-in has ended; sign in again.")
