"""`video2mp3 user …`: accounts from the command line."""

import sys
from typing import Annotated

import typer

from video2mp3.accounts import users
from video2mp3.database import migrate
from video2mp3.settings import load_settings
from video2mp3.wiring import open_database

app = typer.Typer(no_args_is_help=True, help="Make accounts.")


@app.callback()
def _group() -> None:
    pass


@app.command("add")
def add(
    username: str,
    email: Annotated[str | None, typer.Option(help="Where mails about conversions go.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="May administer the service.")] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
) -> None:
    """Make an account; asks for its password."""
    settings = load_settings()
    password = (
        sys.stdin.readline().rstrip("\n")
        if password_stdin
        else str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    )
    database = open_database(settings)
    try:
        migrate.upgrade(database)
        with database.write() as session:
            users.register(
                session,
                username=username,
                password=password,
                email=email,
                role="admin" if admin else "user",
                password_min_length=settings.password_min_length,
            )
    finally:
        database.close()
    typer.echo(f"The account {username} is made.")
