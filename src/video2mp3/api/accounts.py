"""Accounts over HTTP, and who the caller is."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security import APIKeyCookie, HTTPBearer
from sqlalchemy.orm import Session
from starlette.requests import Request

from video2mp3.accounts import audit, passwords, sign_ins, throttling, tokens, users
from video2mp3.api.loopback import is_local_program
from video2mp3.api.schemas import Account, AccountChanges, NewAccount, SignedInAccount, SignedInBy, moment
from video2mp3.api.services import CurrentServices, Services, get_services
from video2mp3.api.small_bodies import SmallBodyRoute
from video2mp3.database.tables import User
from video2mp3.errors import Forbidden, Unauthenticated, UsernameTaken

COOKIE = "video2mp3_session"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# The quotes are what the seed's own clients send: they pass on the JSON string as it came.
_BEARER = re.compile(r'bearer +"?([^\s"]+)"?', re.IGNORECASE)

router = APIRouter(route_class=SmallBodyRoute, tags=["accounts"])


# -- Who the caller is --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Principal:
    """Who the caller is."""

    user_id: str
    username: str
    role: str
    signed_in_by: SignedInBy


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
        user, signed_in_by = _find_user(session, request, services)
    if user is None:
        # The user `local` was never needed before.
        with services.database.write() as session:
            user = users.local_user(session)
    return Principal(user.id, user.username, user.role, signed_in_by)


CurrentUser = Annotated[Principal, Depends(current_user)]
"""The type of a route's parameter that receives who the caller is."""


def current_admin(user: CurrentUser) -> Principal:
    """Returns who the caller is, on routes of administrators; raises Forbidden for others, whatever they ask for."""
    if user.role != "admin":
        raise Forbidden("This is for administrators.")
    return user


def _find_user(session: Session, request: Request, services: Services) -> tuple[User | None, SignedInBy]:
    authorization = request.headers.get("authorization")
    if authorization is not None:
        return _user_of_token(session, authorization), "token"
    cookie = request.cookies.get(COOKIE)
    if cookie is not None:
        require_own_origin(request)
        return _require(users.find(session, sign_ins.find_cookie(session, cookie) or "")), "cookie"
    if services.trust_loopback and is_local_program(request):
        return users.find_local_user(session), "loopback"
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


def client_address(request: Request) -> str | None:
    """Returns the address that the request came from."""
    return request.client.host if request.client else None


def admit(services: Services, gate: throttling.Gate) -> None:
    """Counts an attempt, whatever comes of it; raises TooManyAttempts when it is one too many."""
    with services.database.read() as session:
        throttling.require_open(session, gate)
    with services.database.write() as session:
        throttling.count(session, gate)
    with services.database.read() as session:
        throttling.require_counted(session, gate)


def require_own_origin(request: Request) -> None:
    """Raises Forbidden when an unsafe request is not from a page of the address that it came to."""
    if request.method in _SAFE_METHODS:
        return
    # Compared as text: what a hostile client makes of either need not be an address at all.
    host = request.headers.get("host", "").lower()
    scheme, _, origin = request.headers.get("origin", "").lower().partition("://")
    if not host or scheme not in ("http", "https") or origin != host:
        raise Forbidden("A request with the browser's cookie must come from this service's own page (see Origin).")


# -- Accounts -----------------------------------------------------------------------------------------


@router.post("/v1/accounts", status_code=201)
def make_account(request: Request, new: NewAccount, services: CurrentServices) -> Account:
    """Make an account."""
    return _account(register(request, services, new.username, new.password.get_secret_value(), new.email))


@router.get("/v1/me")
def read_me(principal: CurrentUser, services: CurrentServices) -> SignedInAccount:
    """Who the caller is."""
    with services.database.read() as session:
        account = _account(_require(users.find(session, principal.user_id)))
    return SignedInAccount(**account.model_dump(), signed_in_by=principal.signed_in_by)


@router.patch("/v1/me")
def change_me(changes: AccountChanges, principal: CurrentUser, services: CurrentServices) -> SignedInAccount:
    """Changes the caller's e-mail address, or whether mails are sent."""
    named = changes.model_fields_set
    with services.database.write() as session:
        user = _require(users.find(session, principal.user_id))
        users.change(
            session,
            user,
            email=changes.email if "email" in named else user.email,
            wants_mail=changes.mail if "mail" in named else user.wants_mail,
        )
        audit.note(session, "account.changed", by=user.id)
        account = _account(user)
    return SignedInAccount(**account.model_dump(), signed_in_by=principal.signed_in_by)


def register(request: Request, services: Services, username: str, password: str, email: str | None = None) -> User:
    """Makes an account, where registration is open.

    Raises:
        Forbidden: when it is closed.
        InvalidRequest: when the name, the password or the e-mail address is not allowed.
        UsernameTaken: when somebody has the name.
        TooManyAttempts: when accounts were asked for too often from there.
    """
    if not services.settings.registration_open:
        raise Forbidden("Registration is closed here; ask the operator for an account.")
    users.check_username(username)
    passwords.check_password(password, min_length=services.settings.password_min_length)
    admit(services, throttling.registration(client_address(request)))
    with services.database.read() as session:
        if users.is_taken(session, username):
            raise UsernameTaken
    password_hash = passwords.hash_password(password)
    with services.database.write() as session:
        user = users.add(session, username=username, password_hash=password_hash, email=email)
        audit.note(session, "account.made", by=user.id)
        return user


def _account(user: User) -> Account:
    return Account(
        id=user.id,
        username=user.username,
        email=user.email,
        mail=user.wants_mail,
        role=user.role,
        created_at=moment(user.created_at),
    )
