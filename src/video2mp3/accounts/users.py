"""Accounts: creating, finding, changing, disabling and deleting them."""

from sqlalchemy import and_, func, select
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.accounts import names, one_time_tokens, passwords, sign_ins
from video2mp3.accounts.email_addresses import is_email
from video2mp3.accounts.look_alikes import look_alikes
from video2mp3.database import statements
from video2mp3.database.clock import now
from video2mp3.database.tables import ApiKey, User
from video2mp3.errors import Conflict, InvalidRequest, NotFound, UsernameTaken

LOCAL_USERNAME = "local"
"""The user as whom requests on a trusted loopback address act; nobody can register the name."""


def check_email(email: str) -> None:
    """Raises InvalidRequest when no email could go to that address, or it could change an email's header."""
    if not is_email(email):
        raise InvalidRequest("The email address is not one: it should look like name@example.org.")


def add(
    session: Session,
    *,
    username: str,
    password_hash: str | None,
    email: str | None = None,
    is_verified: bool = False,
    role: str = "user",
) -> User:
    """Creates an account; without `password_hash`, nobody can log in to it with a password.

    If the name is an email address, it is the account's address unless another one is given: the v0 API has names only.
    `is_verified`: an operator vouches for the address.

    Raises:
        InvalidRequest: when the name or the email address is not allowed.
        UsernameTaken: when another account has the name, in any case, or one that looks the same.
    """
    names.check(username)
    if email is not None:
        check_email(email)
    if is_taken(session, username):
        raise UsernameTaken
    if email is None and is_email(username):
        email = username
    return _insert(
        session,
        User(
            username=username,
            username_key=names.key(username),
            password_hash=password_hash,
            email=email,
            email_verified_at=now() if email and is_verified else None,
            role=role,
            created_at=now(),
        ),
    )


def register(
    session: Session,
    *,
    username: str,
    password: str,
    email: str | None = None,
    is_verified: bool = False,
    role: str = "user",
    password_min_length: int = 8,
) -> User:
    """Validates and hashes the password, then creates the account as `add` does.

    Hashes within the transaction; if other writers would have to wait for that, hash first and call `add`.
    """
    names.check(username)
    passwords.check_password(password, min_length=password_min_length)
    password_hash = passwords.hash_password(password)
    return add(session, username=username, password_hash=password_hash, email=email, is_verified=is_verified, role=role)


def change(session: Session, user: User, *, email: str | None, email_notifications: bool) -> None:
    """Changes where emails go, and whether any go. Raises InvalidRequest when the address is not allowed."""
    if email != user.email:
        if email is not None:
            check_email(email)
        # The owner of the former address no longer has access to the account.
        one_time_tokens.revoke_all(session, user.id)
        user.email_verified_at = None
    user.email, user.email_notifications = email, email_notifications
    session.flush()


def verify_email(session: Session, user: User, email: str | None) -> bool:
    """Records that emails to that address arrive; False when it is not the account's, or not any more."""
    verified = statements.change(session, User, user.id, User.email == email, email_verified_at=now())
    session.refresh(user)
    return verified


def set_password(session: Session, user: User, password_hash: str) -> bool:
    """Replaces the password, and revokes the one-time tokens that would.

    Returns False when somebody else has replaced it since `user` was read.
    """
    unchanged = User.password_hash.is_(None) if user.password_hash is None else User.password_hash == user.password_hash
    one_time_tokens.revoke_all(session, user.id)
    return statements.change(session, User, user.id, unchanged, password_hash=password_hash)


def is_taken(session: Session, username: str) -> bool:
    """Returns whether another account has the name, in any case, or one in another script that looks the same."""
    keys = {names.key(username), *(names.key(name) for name in look_alikes(username))}
    if LOCAL_USERNAME in keys:
        return True
    return session.scalar(select(User.id).where(User.username_key.in_(keys)).limit(1)) is not None


def find_by_username(session: Session, username: str, *, disabled_too: bool = False) -> User | None:
    """Returns the user of that name, in any case; None if there is none or it is disabled."""
    user = session.scalar(select(User).where(User.username_key == names.key(username)))
    return user if user and (disabled_too or user.disabled_at is None) else None


def find(session: Session, user_id: str) -> User | None:
    """Returns the user of that id; None if there is none or it is disabled."""
    return session.scalar(select(User).where(User.id == user_id, User.disabled_at.is_(None)))


def find_any(session: Session, user_id: str) -> User:
    """Returns the user of that id, even if it is disabled. Raises NotFound."""
    user = session.get(User, user_id)
    if user is None:
        raise NotFound
    return user


def list_page(session: Session, *, search: str, before_id: str | None, limit: int) -> list[User]:
    """Returns users whose name or email address contains the text, in any case, the newest first."""
    key = names.key(search)
    has = User.username_key.contains(key, autoescape=True) | func.lower(User.email).contains(key, autoescape=True)
    older = (User.id < before_id,) if before_id else ()
    return list(session.scalars(select(User).where(has, *older).order_by(User.id.desc()).limit(limit)))


def disable(session: Session, user: User) -> None:
    """Disables an account: its sessions end, and its API keys and password are refused while it is disabled.

    Raises:
        Conflict: when it is the last administrator's.
    """
    _require_other_admin(session, user)
    statements.change(session, User, user.id, User.disabled_at.is_(None), disabled_at=now())
    # Permanently: when the account is enabled later, its user has to sign in again.
    sign_ins.end_all(session, user.id)
    session.refresh(user)


def enable(session: Session, user: User) -> None:
    """Enables a disabled account. Raises Conflict when it was deleted."""
    if not statements.change(session, User, user.id, User.deleted_at.is_(None), disabled_at=None):
        raise Conflict("The account was deleted and is being erased.")
    session.refresh(user)


def delete(session: Session, user: User) -> None:
    """Disables an account permanently and deletes its secrets; housekeeping erases it with all its data.

    Raises:
        Conflict: when it is the last administrator's.
    """
    disable(session, user)
    user.deleted_at = now()
    session.execute(sql_delete(ApiKey).where(ApiKey.user_id == user.id))
    one_time_tokens.revoke_all(session, user.id)
    session.flush()


def set_role(session: Session, user: User, role: str) -> None:
    """Sets the role of an account: `admin` or `user`.

    Raises:
        Conflict: when it is the last administrator's.
    """
    if role != "admin":
        _require_other_admin(session, user)
    user.role = role
    session.flush()


def _require_other_admin(session: Session, user: User) -> None:
    """Raises Conflict when the service would have no administrator without this account.

    It locks the rows of all administrators, so that of two who disable each other, the second finds itself the last. It
    also locks the account's row, because a concurrent transaction may make it an administrator's.
    """
    session.flush()
    # The user `local` is an administrator of the same machine alone: others do not reach it.
    admins = (User.role == "admin", User.disabled_at.is_(None), User.username_key != LOCAL_USERNAME)
    ids = session.scalars(select(User.id).where((User.id == user.id) | and_(*admins))).all()
    # In the order of the ids, so that two transactions cannot deadlock.
    session.execute(select(User.id).where(User.id.in_(ids)).order_by(User.id).with_for_update())
    session.refresh(user)
    if user.role != "admin" or user.disabled_at is not None:
        return
    if session.scalar(select(User.id).where(User.id != user.id, *admins).limit(1)) is None:
        raise Conflict("This is the last administrator's account; create another one first.")


def local_user(session: Session) -> User:
    """Returns the user `local`, and creates it when it is first needed (the session has to be able to write then).

    It is an administrator: who can read the data folder can do what administrators can.
    """
    found = find_local_user(session)
    if found is not None:
        return found
    try:
        return _insert(
            session, User(username=LOCAL_USERNAME, username_key=LOCAL_USERNAME, role="admin", created_at=now())
        )
    except UsernameTaken:
        return session.scalars(select(User).where(User.username_key == LOCAL_USERNAME)).one()


def find_local_user(session: Session) -> User | None:
    """Returns the user `local`, or None if it has not been needed yet."""
    return session.scalar(select(User).where(User.username_key == LOCAL_USERNAME))


def is_local(user: User) -> bool:
    """Returns whether it is the user `local`, who has no password and cannot be disabled or deleted."""
    return user.username_key == LOCAL_USERNAME


def set_up_user(session: Session) -> User | None:
    """Returns the account `admin`, to which the setup link of a new service signs in; None once there is another one.

    It is created when there is no account. It has no password, so only the link gives access to it.
    """
    others = select(User).where(User.username_key != LOCAL_USERNAME).limit(2)
    accounts = session.scalars(others).all()
    if not accounts:
        try:
            return add(session, username="admin", password_hash=None, role="admin")
        except UsernameTaken:  # by another process that starts at the same moment
            accounts = session.scalars(others).all()
    first = accounts[0]
    waits = first.role == "admin" and first.password_hash is None and first.disabled_at is None
    return first if waits and len(accounts) == 1 else None


def _insert(session: Session, user: User) -> User:
    try:
        # A savepoint, so that the caller's transaction survives a name that is taken.
        with session.begin_nested():
            session.add(user)
    except IntegrityError:
        raise UsernameTaken from None
    session.refresh(user)
    return user
