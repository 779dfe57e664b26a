"""`video2mp3 user`: creates and changes accounts. Needs only the database."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from video2mp3.cli.admin.db import format_time, read_session, write_session
from video2mp3.cli.terminal import shown
from video2mp3.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from video2mp3.database.tables import User

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Create and change accounts.")

_LIMIT = 1000

Username = Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with.", show_default=False)]
Email = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Email address for notifications.")]
Admin = Annotated[bool, typer.Option("--admin", help="May administer the service.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Search = Annotated[str, typer.Option(metavar="TEXT", help="Only those with that in the name or the address.")]
Days = Annotated[int, typer.Option(metavar="NUMBER", min=1, max=365, help="Days until the invitation expires.")]
Role = Annotated[Literal["user", "admin"], typer.Argument(help="The role.")]


@app.command("add")
def add_user(
    username: Username, email: Email = None, admin: Admin = False, password_stdin: PasswordStdin = False
) -> None:
    """Create an account; asks for its password."""
    password = _read_password(password_stdin)
    from video2mp3.accounts import audit, users
    from video2mp3.database import migrate
    from video2mp3.settings import load_settings
    from video2mp3.wiring import configure_logging, open_database

    settings = load_settings()
    configure_logging(settings)
    with closing(open_database(settings)) as database:
        # This may be the first command on a new database.
        migrate.upgrade(database)
        with database.write() as session:
            user = users.register(
                session,
                username=username,
                password=password,
                email=email,
                is_verified=True,
                role="admin" if admin else "user",
                password_min_length=settings.password_min_length,
            )
            audit.record(session, "account.created", by=None, about=user.id, detail=user.role)
    where = "" if settings.database_url else f" in {shown(settings.data_dir.absolute())}"
    typer.echo(f"The account {username} was created{where}.")


def sign_in_link(
    username: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Whose account; without it, this machine's user or the administrator."),
    ] = None,
) -> None:
    """Print a link that signs a browser in once, within a day.

    Its address is the one of the `serve` that runs with the same data; else VIDEO2MP3_PUBLIC_URL, or VIDEO2MP3_HOST and
    VIDEO2MP3_PORT. Without a name, it is for the user of this machine where only this machine reaches the service; else
    for the administrator of a new service.
    """
    from video2mp3.accounts import audit, sign_ins, users
    from video2mp3.cli.roles.database_lock import recorded_url
    from video2mp3.settings import load_settings

    settings = load_settings()
    with write_session() as session:
        if username is not None:
            user = users.find_by_username(session, username)
        elif settings.is_local and settings.effective_database_url.startswith("sqlite"):
            user = users.local_user(session)
        else:
            user = users.set_up_user(session)
        if user is None or user.disabled_at is not None:
            raise NotFound("There is no such account." if username else "There are accounts: name one of them.")
        secret = sign_ins.make_link(session, user)
        audit.record(session, "sign_in_link.created", by=None, about=user.id)
    typer.echo(f"{recorded_url(settings) or settings.effective_public_url}/sign-in?token={secret}")


@app.command("list")
def list_users(search: Search = "") -> None:
    """List the accounts, the newest first."""
    from video2mp3.accounts import users

    with read_session() as session:
        for user in users.list_page(session, search=search, before_id=None, limit=_LIMIT):
            state = user.role if user.disabled_at is None else "disabled"
            typer.echo(f"{user.id}  {format_time(user.created_at)}  {state:<8}  {shown(user.username)}")


@app.command("disable")
def disable_user(username: Username) -> None:
    """Disable an account and its API keys at once."""
    from video2mp3.accounts import audit, users

    with _changing(username) as (session, user):
        users.disable(session, user)
        audit.record(session, "account.disabled", by=None, about=user.id)
    typer.echo(f"The account {username} is disabled.")


@app.command("enable")
def enable_user(username: Username) -> None:
    """Enable a disabled account."""
    from video2mp3.accounts import audit, users

    with _changing(username) as (session, user):
        users.enable(session, user)
        audit.record(session, "account.enabled", by=None, about=user.id)
    typer.echo(f"The account {username} is enabled.")


@app.command("role")
def set_role(username: Username, role: Role) -> None:
    """Set an account's role."""
    from video2mp3.accounts import audit, users

    with _changing(username) as (session, user):
        users.set_role(session, user, role)
        audit.record(session, "account.role_changed", by=None, about=user.id, detail=role)
    typer.echo(f"The account {username} has the role {role}.")


@app.command("password")
def set_password(username: Username, password_stdin: PasswordStdin = False) -> None:
    """Give an account another password; all its sessions end."""
    password = _read_password(password_stdin)
    from video2mp3.accounts import audit, passwords, sign_ins, users
    from video2mp3.settings import load_settings

    passwords.check_password(password, min_length=load_settings().password_min_length)
    password_hash = passwords.hash_password(password)
    with _changing(username) as (session, user):
        users.set_password(session, user, password_hash)
        sign_ins.end_all(session, user.id)
        audit.record(session, "password.changed", by=None, about=user.id)
    typer.echo(f"The account {username} has a new password.")


@app.command("invite")
def invite(days: Days = 7) -> None:
    """Print a link that creates one account."""
    from video2mp3.accounts import audit, invitations
    from video2mp3.settings import load_settings

    with write_session() as session:
        made, code = invitations.create(session, created_by=None, lifetime_s=days * 86_400)
        audit.record(session, "invitation.created", by=None, about=made.id)
    settings = load_settings()
    if settings.public_url or settings.is_local:
        typer.echo(settings.effective_public_url + invitations.path(code))
    else:
        typer.echo(f"Code: {code}")
        typer.echo(
            f"Link: the service's address and {invitations.path(code)} (VIDEO2MP3_PUBLIC_URL makes it a whole one)"
        )


@contextmanager
def _changing(username: str) -> Iterator["tuple[Session, User]"]:
    from video2mp3.accounts import users

    with write_session() as session:
        user = users.find_by_username(session, username, disabled_too=True)
        if user is None or users.is_local(user):
            raise NotFound(f"There is no account {shown(username)}.")
        yield session, user


def _read_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    raise InvalidRequest("There is no terminal to ask for the password; use --password-stdin.")
