"""`video2mp3 keys`: the keys that access tokens are signed with."""

from typing import Annotated

import typer

from video2mp3.cli.rows import moment, reading, writing

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="See and replace the keys that access tokens are signed with."
)

Revoke = Annotated[bool, typer.Option("--revoke", help="Refuse at once what the old ones have signed: one leaked.")]


@app.command("list")
def list_keys() -> None:
    """List the keys, the newest first: that one signs."""
    from video2mp3.accounts import signing_keys

    with reading() as session:
        for key in signing_keys.list_all(session):
            state = "signs" if key.retires_at is None else f"verifies until {moment(key.retires_at)}"
            typer.echo(f"{key.id}  made {moment(key.created_at)}  {state}")


@app.command("rotate")
def rotate_keys(revoke: Revoke = False) -> None:
    """Sign with a new key from now on.

    The old ones stay valid until the tokens that they have signed are over, so nobody is signed out.
    """
    from video2mp3.accounts import audit, signing_keys
    from video2mp3.settings import load_settings

    lifetime_s = load_settings().access_token_lifetime_s
    with writing() as session:
        key = signing_keys.revoke(session) if revoke else signing_keys.rotate(session, lifetime_s=lifetime_s)
        audit.record(session, "signing_key.rotated", by=None, detail="revoked" if revoke else "")
    typer.echo(f"The key {key.id} signs from now on.")
