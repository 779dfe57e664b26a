"""Checks usernames and passwords, and counts failures."""

from starlette.requests import Request

from video2mp3.accounts import audit, names, one_time_tokens, passwords, throttling, users
from video2mp3.accounts.throttling import Throttle
from video2mp3.api.auth.identity import Principal, client_address, require_user
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import User
from video2mp3.errors import Forbidden, InvalidCredentials, TooManyAttempts, WrongPassword


def admit(services: Services, *throttles: Throttle) -> None:
    """Counts an attempt, whatever its outcome; raises TooManyAttempts if it exceeds a limit.

    An attempt that one throttle refuses counts for none: else refused attempts would fill the counters of others.
    """
    with services.database.read() as session:
        for throttle in throttles:
            throttle.check(session)
    with services.database.write() as session:
        counted = [id_ for throttle in throttles for id_ in throttle.count(session)]
    try:
        with services.database.read() as session:
            for throttle in throttles:
                throttle.check_counted(session)
    except TooManyAttempts:
        # Other requests were counted since the first check.
        with services.database.write() as session:
            throttling.uncount(session, counted)
        raise


def request_verification(request: Request, services: Services, user: User) -> None:
    """Queues a verification email to the account's address, if it has one.

    Raises:
        TooManyAttempts: if that address, that account or that client's network had too many such emails.
    """
    if user.email is None:
        return
    with services.database.read() as session:
        throttles = throttling.verifications(session, user.id, user.email, client_address(request))
    admit(services, *throttles)
    with services.database.write() as session:
        one_time_tokens.request(session, "verify", user)


def check_credentials(request: Request, services: Services, username: str, password: str) -> User:
    """Returns the user.

    Raises:
        InvalidCredentials: after the same time, and the same statements, for unknown names and wrong passwords.
        TooManyAttempts: if too many attempts have failed; the same for names of no account.
    """
    limit = services.settings.max_login_failures
    from_anywhere = throttling.sign_in(names.key(username), client_address(request), limit=limit)
    with services.database.read() as session:
        throttle = from_anywhere.for_known_client(session)
        throttle.check(session)
        user = users.find_by_username(session, username)
    if not passwords.verify_password(password, user.password_hash if user else None) or user is None:
        _count_failure(services, throttle, user)
        raise InvalidCredentials
    with services.database.write() as session:
        # Again: other attempts may have failed while this one waited to hash.
        throttle.check(session)
        from_anywhere.record_success(session)
    return user


def check_own_password(request: Request, services: Services, principal: Principal, password: str) -> User:
    """Verifies the caller's password once more, before a step that cannot be undone; passes accounts without one.

    Raises:
        WrongPassword: when it is not the account's.
        TooManyAttempts: as at a login: else anybody who finds an open browser could try passwords there.
        Forbidden: for the user `local`, as whom nobody logs in.
    """
    with services.database.read() as session:
        user = require_user(session, principal)
    if users.is_local(user):
        raise Forbidden(
            "The account of this machine's own user has no password, and cannot be deleted; an account that you "
            "register can have both."
        )
    if user.password_hash is None:
        return user
    try:
        return check_credentials(request, services, user.username, password)
    except InvalidCredentials:
        # Not 401: the session is valid, and clients would discard it.
        raise WrongPassword from None


def count_bad_refresh(request: Request, services: Services) -> None:
    """Counts an invalid refresh token; raises TooManyAttempts if there were too many before."""
    # Only invalid tokens count and are refused: nobody guesses a valid one, and one bad client must not log out its
    # neighbours.
    throttle = throttling.refresh(client_address(request), limit=services.settings.max_login_failures)
    with services.database.read() as session:
        throttle.check(session)
    with services.database.write() as session:
        throttle.count(session)


def _count_failure(services: Services, throttle: Throttle, user: User | None) -> None:
    """Counts a failed login; raises TooManyAttempts if it exceeds the limit."""
    about = user.id if user else None
    with services.database.write() as session:
        throttle.count(session)
        audit.record(session, "login.failed", by=None, about=about)
    with services.database.write() as session:
        throttle.check_counted(session)
        if throttle.is_full(session):
            audit.record(session, "login.throttled", by=None, about=about)
