"""The v0 API's calls for accounts, with its response formats."""

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.security.http import HTTPBase
from pydantic import BaseModel, Field, SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from video2mp3.api.accounts import routes as accounts
from video2mp3.api.accounts import sessions
from video2mp3.api.auth.credentials import check_credentials
from video2mp3.api.auth.identity import CurrentUser
from video2mp3.api.conversions.downloads import redirect_origin
from video2mp3.api.frame.pages import page_response, prefers_html
from video2mp3.api.frame.schemas import Message, Username
from video2mp3.api.frame.services import CurrentServices
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.errors import InvalidCredentials
from video2mp3.settings import Settings

# Only for the API's description: the framework's parser takes ASCII only.
_BASIC = HTTPBase(scheme="basic", scheme_name="HTTPBasic", description="For /login only.", auto_error=False)

router = APIRouter(route_class=SmallBodyRoute, tags=["v0"])


class Registration(BaseModel):
    """An account to create; other fields are ignored."""

    username: str = Field(max_length=256)
    password: SecretStr = Field(max_length=1024)


@router.get("/", response_model=Message)
def read_root(request: Request, services: CurrentServices) -> Response:
    """Returns a greeting; browsers get the page."""
    if prefers_html(request):
        response = page_response(_facts(services.settings), redirect_origin(services))
    else:
        response = JSONResponse({"msg": "running."})
    response.headers["Vary"] = "Accept"
    return response


def _facts(settings: Settings) -> dict[str, bool | int]:
    return {
        "sends_email": bool(settings.smtp_host),
        "password_min_length": settings.password_min_length,
        "upload_retention_s": settings.upload_retention_s,
        "takes_urls": settings.url_sources,
        "result_retention_s": settings.result_retention_s,
    }


@router.post("/register")
def register(request: Request, registration: Registration, services: CurrentServices) -> Message:
    """Creates an account."""
    accounts.register(request, services, registration.username, registration.password.get_secret_value())
    return Message(msg="User registered successfully")


@router.post("/login", response_model=str)
def login(request: Request, services: CurrentServices, _basic: Annotated[object, Depends(_BASIC)]) -> Response:
    """Signs in with HTTP Basic; the response is the access token as a JSON string. The body is ignored."""
    username, password = _basic_credentials(request.headers.get("authorization", ""))
    user = check_credentials(request, services, username, password)
    return JSONResponse(sessions.access_token(request, services, user), headers=sessions.NO_STORE)


@router.post("/validate")
def validate(principal: CurrentUser) -> Username:
    """Returns the owner of the token."""
    return Username(username=principal.username)


@router.get("/users/me")
def read_current_user(principal: CurrentUser) -> Username:
    """Returns the owner of the token."""
    return Username(username=principal.username)


def _basic_credentials(authorization: str) -> tuple[str, str]:
    """Reads a Basic header (RFC 7617) as UTF-8."""
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        raise InvalidCredentials
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        raise InvalidCredentials from None
    if not colon:
        raise InvalidCredentials
    return username, password
