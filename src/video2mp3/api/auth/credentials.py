"""Names and passwords on their way in: checked, and counted where they are wrong."""

from starlette.requests import Request

from video2mp3.accounts import audit, letters, names, passwords, throttling, users
from video2mp3.api.auth.identity import Principal, client_address, require_user
from video2mp3.api.frame.services import Services
from video2mp3.database.tables import User
from video2mp3.errors import Forbidden, InvalidCredentials, TooManyAttempts, WrongPassword


def admit(services: Services, *gates: throttling.Gate) -> None:
    """Counts an attempt, whatever comes of it; raises TooManyAttempts when it is one too many.

    What one of the gates refuses counts for none: else refused attempts would close the gates of others.
    """
    with services.database.read() as session:
        for gate in gates:
            throttling.require_open(session, gate)
    with services.database.write() as session:
        counted = [id_ for gate in gates for id_ in throttling.count(session, gate)]
    try:
        with services.database.read() as session:
            for gate in gates:
                throttling.require_counted(session, gate)
    except TooManyAttempts:
        # Others were counted meanwhile.
        with services.database.write() as session:
            throttling.uncount(session, counted)
        raise


def ask_whose_it_is(request: Request, services: Services, user: User) -> None:
    """Lets the account's address, where there is one, be asked whether it is the user's.

    Raises:
        TooManyAttempts: when that address, that account or that client's network had too many such messages.
    """
    if user.email is None:
        return
    with services.database.read() as session:
        gates = throttling.verifications(session, user.id, user.email, client_address(request))
    admit(services, *gates)
    with services.database.write() as session:
        letters.ask(session, "verify", user)


def check_credentials(request: Request, services: Services, username: str, password: str) -> User:
    """Returns the user.

    Raises:
        InvalidCredentials: after the same time, and the same statements, for unknown names and wrong passwords.
        TooManyAttempts: when too many have failed; alike for names that are nobody's.
    """
    limit = services.settings.sign_in_failures
    whole_gate = throttling.sign_in(names.key(username), client_address(request), limit=limit)
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


def check_own_password(request: Request, services: Services, principal: Principal, password: str) -> User:
    """Lets the caller show once more who it is, before what cannot be undone; nothing to show without a password.

    Raises:
        WrongPassword: when it is not the account's.
        TooManyAttempts: as at a sign-in: else whoever finds a browser open could try passwords there.
        Forbidden: for the user `local`, whom nobody signs in as.
    """
    with services.database.read() as session:
        user = require_user(session, principal)
    if users.is_local(user):
        raise Forbidden("The account of this machine's own user has no password, and stays.")
    if user.password_hash is None:
        return user
    try:
        return check_credentials(request, services, user.username, password)
    except InvalidCredentials:
        # Not 401: the sign-in is good, and clients would throw it away.
        raise WrongPassword from None


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


def count_bad_refresh(request: Request, services: Services) -> None:
    """Counts a refresh token that was none; raises TooManyAttempts where there were too many before."""
    # Only bad ones count, and are refused: nobody guesses a good one, and one bad client must not end its neighbours'.
    gate = throttling.refresh(client_address(request), limit=services.settings.sign_in_failures)
    with services.database.read() as session:
        throttling.require_open(session, gate)
    with services.database.write() as session:
        throttling.count(session, gate)
