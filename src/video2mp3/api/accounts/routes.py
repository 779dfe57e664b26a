"""Accounts over HTTP: registration, and the caller's account."""

from contextlib import suppress

from fastapi import APIRouter, Request, Response

from video2mp3.accounts import audit, invitations, names, passwords, sign_ins, throttling, users
from video2mp3.api.auth.credentials import admit, check_own_password, request_verification
from video2mp3.api.auth.identity import CurrentUser, Principal, client_address, require_user
from video2mp3.api.auth.loopback import is_from_this_machine
from video2mp3.api.frame.schemas import Account, AccountChanges, NewAccount, NewPassword, SignedInAccount, moment
from video2mp3.api.frame.services import CurrentServices, Services
from video2mp3.api.frame.small_bodies import SmallBodyRoute
from video2mp3.database.tables import User
from video2mp3.errors import Conflict, Forbidden, InvitationNeeded, TooManyAttempts, UsernameTaken

router = APIRouter(route_class=SmallBodyRoute, tags=["accounts"])


@router.post("/v1/accounts", status_code=201)
def create_account(request: Request, new: NewAccount, services: CurrentServices) -> Account:
    """Creates an account."""
    invitation = new.invitation.get_secret_value() if new.invitation else ""
    password = new.password.get_secret_value()
    return account_json(register(request, services, new.username, password, email=new.email, invitation=invitation))


@router.get("/v1/me")
def read_own_account(principal: CurrentUser, services: CurrentServices) -> SignedInAccount:
    """Returns the caller's account."""
    with services.database.read() as session:
        return _signed_in_account(require_user(session, principal), principal)


@router.patch("/v1/me")
def change_own_account(
    request: Request, changes: AccountChanges, principal: CurrentUser, services: CurrentServices
) -> SignedInAccount:
    """Changes the caller's email address, or whether emails are sent. Another address asks for the password."""
    named = changes.model_fields_set
    with services.database.read() as session:
        before = require_user(session, principal)
    if "email" in named and changes.email != before.email and before.password_hash is not None:
        # Emails that reset the password go there: a visitor at an open browser must not redirect them.
        given = changes.current_password.get_secret_value() if changes.current_password else ""
        check_own_password(request, services, principal, given)
    with services.database.write() as session:
        user = require_user(session, principal)
        email = changes.email if "email" in named else user.email
        wanted = changes.email_notifications if "email_notifications" in named else user.email_notifications
        users.change(session, user, email=email, email_notifications=wanted)
        audit.record(session, "account.updated", by=user.id)
        account = _signed_in_account(user, principal)
    if user.email != before.email:
        _verify(request, services, user)
    return account


@router.put("/v1/me/password", status_code=204)
def change_own_password(
    request: Request, new: NewPassword, principal: CurrentUser, services: CurrentServices
) -> Response:
    """Changes the caller's password, and ends all other sessions. API keys stay.

    An account without a password, such as the first administrator's, gets one.
    """
    current = new.current_password.get_secret_value() if new.current_password else ""
    user = check_own_password(request, services, principal, current)
    password = new.new_password.get_secret_value()
    passwords.check_password(password, min_length=services.settings.password_min_length)
    password_hash = passwords.hash_password(password)
    with services.database.write() as session:
        if not users.set_password(session, user, password_hash):
            raise Conflict("Another request has changed the password.")
        sign_ins.end_all(session, user.id, but=principal.session_id)
        audit.record(session, "password.changed", by=user.id)
    return Response(status_code=204)


def register(
    request: Request,
    services: Services,
    username: str,
    password: str,
    *,
    email: str | None = None,
    invitation: str = "",
) -> User:
    """Creates an account if registration is open, or with a valid invitation.

    Raises:
        Forbidden: when registration is closed.
        InvitationNeeded: when registration is by invitation, and this one is unknown, used or expired.
        InvalidRequest: when the name, the password or the email address is not allowed.
        UsernameTaken: when another account has the name.
        TooManyAttempts: when too many accounts were requested from that network.
    """
    registration = services.settings.effective_registration
    if not services.settings.registration and registration == "open" and not is_from_this_machine(request):
        # A proxy that the settings do not name: others reach the service too.
        registration = "invite"
    by_invitation = registration == "invite"
    if registration == "closed":
        raise Forbidden("Registration is closed here; ask the operator for an account.")
    names.check(username)
    passwords.check_password(password, min_length=services.settings.password_min_length)
    admit(services, throttling.registration(client_address(request)))
    with services.database.read() as session:
        # First, so that a client without an invitation does not learn which names are taken.
        if by_invitation and not invitations.is_good(session, invitation):
            raise InvitationNeeded
        if users.is_taken(session, username):
            raise UsernameTaken
    password_hash = passwords.hash_password(password)
    with services.database.write() as session:
        user = users.add(session, username=username, password_hash=password_hash, email=email)
        if by_invitation and not invitations.use(session, invitation, user.id):
            raise InvitationNeeded
        audit.record(session, "account.created", by=user.id)
    _verify(request, services, user)
    return user


def _verify(request: Request, services: Services, user: User) -> None:
    """Asks whether the new address is the user's, where email is sent."""
    if services.settings.smtp_host:
        # Over the limit: the user can request it later.
        with suppress(TooManyAttempts):
            request_verification(request, services, user)


def _signed_in_account(user: User, principal: Principal) -> SignedInAccount:
    return SignedInAccount(
        **account_json(user).model_dump(), signed_in_by=principal.signed_in_by, built_in=users.is_local(user)
    )


def account_json(user: User) -> Account:
    """Represents an account as its owner sees it."""
    return Account(
        id=user.id,
        username=user.username,
        email=user.email,
        email_verified=user.email_verified_at is not None,
        email_notifications=user.email_notifications,
        role=user.role,
        created_at=moment(user.created_at),
    )
