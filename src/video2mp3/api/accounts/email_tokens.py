"""Password resets and verification of email addresses, with one-time tokens by email."""

from fastapi import APIRouter, Request, Response
from pydantic import Field, SecretStr

from video2mp3.accounts import audit, names, one_time_tokens, passwords, sign_ins, throttling, users
from video2mp3.api.auth.credentials import admit, request_verification
from video2mp3.api.auth.identity import CurrentUser, client_address, require_user
from video2mp3.api.frame.schemas import RequestBody
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.errors import Conflict, EmailNotConfigured, InvalidOrExpiredToken

router = APIRouter(route_class=SmallBodyRoute, tags=["accounts"])


class NewPasswordReset(RequestBody):
    """The account whose password is forgotten."""

    username: str = Field(max_length=256)


class EmailedToken(RequestBody):
    """The one-time token of an email."""

    token: SecretStr = Field(max_length=100, description="From the link in the email.")


class PasswordReset(EmailedToken):
    """A new password for a forgotten one."""

    new_password: SecretStr = Field(max_length=1024)


@router.post("/v1/password-resets", status_code=202, response_class=Response)
def request_password_reset(request: Request, asked: NewPasswordReset, services: CurrentServices) -> Response:
    """Sends an email to reset the password, if the account exists and has a verified address.

    Otherwise the response is the same, after the same time.
    """
    _require_email(services)
    admit(services, throttling.reset_from(client_address(request)))
    throttle = throttling.reset_of(names.key(asked.username))
    # The same statements for every name: nothing here waits for a mail server, and nobody is told who has an account.
    with services.database.write() as session:
        may_be_sent = not throttle.is_full(session)
        if may_be_sent:
            throttle.count(session)
        user = users.find_by_username(session, asked.username)
        one_time_tokens.request(session, "reset", user if may_be_sent else None)
        audit.record(session, "password_reset.requested", by=None, about=user.id if user else None)
    return Response(status_code=202)


@router.post("/v1/password-resets/confirm", status_code=204)
def reset_password(reset: PasswordReset, services: CurrentServices) -> Response:
    """Replaces the password with the token of an email, which is valid for one hour and once. All sessions end."""
    token, password = reset.token.get_secret_value(), reset.new_password.get_secret_value()
    passwords.check_password(password, min_length=services.settings.password_min_length)
    with services.database.read() as session:
        # Before the work of hashing.
        if one_time_tokens.find(session, "reset", token) is None:
            raise InvalidOrExpiredToken
    password_hash = passwords.hash_password(password)
    with services.database.write() as session:
        row = one_time_tokens.use(session, "reset", token)
        user = users.find(session, row.user_id or "") if row else None
        if row is None or user is None or not users.set_password(session, user, password_hash):
            raise InvalidOrExpiredToken
        # Users of the old password are signed out. API keys stay: the account's owner can list and delete them.
        sign_ins.end_all(session, user.id)
        audit.record(session, "password_reset.completed", by=user.id)
    return Response(status_code=204)


@router.post("/v1/email-verifications", status_code=202, response_class=Response)
def request_email_verification(request: Request, principal: CurrentUser, services: CurrentServices) -> Response:
    """Sends an email to the account's address, by which its owner verifies it.

    One address gets three in a day, and beyond them one for each account that names it, up to ten.
    """
    _require_email(services)
    with services.database.read() as session:
        user = require_user(session, principal)
    if user.email is None:
        raise Conflict("The account has no email address; give it one with PATCH /v1/me.")
    request_verification(request, services, user)
    return Response(status_code=202)


@router.post("/v1/email-verifications/confirm", status_code=204)
def verify_email(body: EmailedToken, services: CurrentServices) -> Response:
    """Verifies an address with the token of an email, which is valid for a day and once."""
    with services.database.write() as session:
        row = one_time_tokens.use(session, "verify", body.token.get_secret_value())
        user = users.find(session, row.user_id or "") if row else None
        if row is None or user is None or not users.verify_email(session, user, row.email):
            raise InvalidOrExpiredToken
        audit.record(session, "email.verified", by=user.id)
    return Response(status_code=204)


def _require_email(services: Services) -> None:
    if not services.settings.smtp_host:
        raise EmailNotConfigured
