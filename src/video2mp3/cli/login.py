"""`video2mp3 login` and `logout`: keep an API key of a service, for `push`."""

import platform
from typing import Annotated

import typer

from video2mp3.cli.saved_keys import key_file, store_key
from video2mp3.cli.terminal import complain, read_password, reason, shown, stop

_SCOPES = ["convert"]

Server = Annotated[str, typer.Argument(metavar="SERVER", help="Address of the service.", show_default=False)]


def login(
    server: Server,
    user: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Sign in with a password, which creates an API key.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password or the key from standard input.")
    ] = False,
) -> None:
    """Store an API key of a service for `push`.

    `push` then needs no password. Asks for an API key, which the account's page creates; with --user for the account's
    password. The key is stored in ~/.config/video2mp3/keys.json, which only you can read.

    \b
    Examples:
      video2mp3 login https://video2mp3.example.com
      video2mp3 login https://video2mp3.example.com --user ada
    """
    from video2mp3.client import Client, ClientError

    secret = read_password("password" if user else "API key", from_stdin=password_stdin)
    try:
        if user is None:
            with Client(server, token=secret) as client:
                name = client.account()["username"]
        else:
            with Client(server) as client:
                client.sign_in(user, secret)
                name, secret = user, client.create_api_key(f"push on {platform.node() or 'a computer'}"[:60], _SCOPES)
    except ClientError as error:
        is_wrong_key = user is None and error.status == 401
        complain(
            "",
            f"{shown(server)} does not accept this API key; its account's page creates one."
            if is_wrong_key
            else error.detail,
        )
        raise typer.Exit(1) from None
    _store(server, secret)
    complain("", f"signed in to {shown(server)} as {shown(name)}")


def logout(server: Server) -> None:
    """Delete the stored API key of a service. The key itself stays valid; the account's page ends it."""
    _store(server, None)
    complain("", f"the key of {shown(server)} is deleted")


def _store(server: str, key: str | None) -> None:
    try:
        store_key(server, key)
    except OSError as error:
        stop(f"{shown(key_file())} cannot be written: {reason(error)}.")
