"""`video2mp3 keys`: lists and rotates the keys that sign access tokens."""

from typing import Annotated

import typer

from video2mp3.cli.admin.db import format_time, read_session, write_session

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="List and rotate the keys that sign access tokens.")

Revoke = Annotated[
    bool, typer.Option("--revoke", help="Reject all tokens that old keys signed, for example because a key leaked.")
]


@app.command("list")
def list_keys() -> None:
    """List the keys, the newest first; the newest one signs."""
    from video2mp3.accounts import signing_keys

    with read_session() as session:
        for key in signing_keys.list_all(session):
            state = "signs" if key.retires_at is None else f"verifies until {format_time(key.retires_at)}"
            typer.echo(f"{key.id}  made {format_time(key.created_at)}  {state}")


@app.command("rotate")
def rotate_keys(revoke: Revoke = False) -> None:
    """Sign with a new key from now on.

    Old keys stay valid until the tokens that they signed expire, so nobody is signed out.
    """
    from video2mp3.accounts import audit, signing_keys
    from video2mp3.settings import load_settings

    lifetime_s = load_settings().access_token_lifetime_s
    with write_session() as session:
        key = signing_keys.revoke(session) if revoke else signing_keys.rotate(session, lifetime_s=lifetime_s)
        audit.record(session, "signing_key.rotated", by=None, detail="revoked" if revoke else "")
    typer.echo(f"The key {key.id} signs from now on.")
