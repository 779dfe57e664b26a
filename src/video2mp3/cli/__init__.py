"""The command line `video2mp3`: one module for each group of commands."""

import atexit
import errno
import gc
import os
import sys

import typer
from typer.exceptions import TyperException

from video2mp3 import __version__
from video2mp3.cli import commands
from video2mp3.cli.admin import commands as admin
from video2mp3.cli.admin import keys, users
from video2mp3.cli.extras import what_to_install
from video2mp3.cli.late import LateCommands, convert, formats, probe, push
from video2mp3.cli.login import login, logout
from video2mp3.cli.terminal import complain, discard, reason
from video2mp3.cli.usage_errors import overview_in, sentence_about
from video2mp3.errors import Video2mp3Error

_OUTPUT_FAILED = (errno.EBADF, errno.EIO, errno.ENOSPC)
"""What printing fails with, apart from broken pipes; files that cannot be written have other errors."""
_USERS_FILES = frozenset({"convert", "probe", "push"})

app = typer.Typer(
    name="video2mp3",
    cls=LateCommands,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    # Plain text: rich frames break copied text, and show flags as if they took a value.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turns video into MP3: converts files here, or serves others over HTTP.",
)
app.command("convert")(convert)
app.command("probe")(probe)
app.command("push")(push)
app.command("formats")(formats)
app.command("login")(login)
app.command("logout")(logout)
app.command("serve")(commands.serve)
app.command("api")(commands.api)
app.command("worker")(commands.worker)
app.command("notifier")(commands.notifier)
app.command("migrate")(commands.migrate)
app.command("doctor")(commands.doctor)
app.command("health")(commands.health)
app.command("sign-in-link")(users.sign_in_link)
app.add_typer(users.app, name="user")
app.add_typer(keys.app, name="keys")
app.add_typer(admin.app, name="admin")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"video2mp3 {__version__}")
        raise typer.Exit


def _keep_files_private(command: str | None) -> None:
    """Sets a private umask, except for commands that write MP3s for the user."""
    if command not in _USERS_FILES:
        os.umask(0o077)


@app.callback()
def _root(
    context: typer.Context,
    version: bool = typer.Option(  # noqa: ARG001
        False, "-V", "--version", callback=_print_version, is_eager=True, help="Show the version."
    ),
) -> None:
    _keep_files_private(context.invoked_subcommand)


def main() -> None:
    """Runs the command line. An error is one sentence on stderr; the exit status is 2 for wrong usage, else 1."""
    # The process ends with all its objects; collecting them first would take a service 0.4 s of CPU.
    atexit.register(gc.freeze)
    try:
        status = app(prog_name="video2mp3", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        if overview := overview_in(error):
            typer.echo(overview, err=True)
        else:
            complain("", sentence_about(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is not None or error.errno not in _OUTPUT_FAILED:
            raise
        complain("", f"Standard output cannot be written to: {reason(error)}.")
        discard(sys.stdout)
        sys.exit(1)
    except typer.Abort:  # Ctrl-C or Ctrl-D where a password is asked for
        print(file=sys.stderr)
        sys.exit(130)
    except Video2mp3Error as error:
        complain("", str(error))
        sys.exit(1)
    except ModuleNotFoundError as missing:
        if (sentence := what_to_install(sys.argv[1:], missing)) is None:
            raise
        complain("", sentence)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    if isinstance(status, int):
        sys.exit(status)
