"""The service's commands and their flags.

Each command imports its code when called: the web framework and the database library take a second to load, and
`video2mp3 convert` and `--help` do not need them.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from video2mp3.cli.roles.loading import loading

if TYPE_CHECKING:
    from video2mp3.settings import Settings

Host = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Address to listen on [VIDEO2MP3_HOST, default 127.0.0.1].")
]
Port = Annotated[
    int | None,
    typer.Option(metavar="NUMBER", help="Port to listen on; 0 picks a free one [VIDEO2MP3_PORT, default 8000]."),
]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Folder for the data [VIDEO2MP3_DATA_DIR, default ~/.local/share/video2mp3]."),
]
RequireLogin = Annotated[bool, typer.Option("--require-login", help="Ask for a login even on a loopback address.")]
Slots = Annotated[
    int | None,
    typer.Option(metavar="NUMBER", help="Simultaneous conversions [VIDEO2MP3_WORKER_SLOTS, default one per core]."),
]
Role = Annotated[Literal["api", "worker", "notifier"], typer.Argument(help="Which role.")]


def serve(host: Host = None, port: Port = None, data_dir: DataDir = None, require_login: RequireLogin = False) -> None:
    """Run the API, a worker and the notifier in one process."""
    with loading():
        from video2mp3.cli.roles import server

    server.serve(_settings(host=host, port=port, data_dir=data_dir, require_login=require_login or None))


def api(host: Host = None, port: Port = None) -> None:
    """Run the HTTP API."""
    with loading():
        from video2mp3.cli.roles import server

    server.api(_settings(host=host, port=port))


def worker(slots: Slots = None) -> None:
    """Run a worker, which converts jobs; SIGTERM drains it."""
    with loading():
        from video2mp3.cli.roles import server

    server.worker(_settings(worker_slots=slots))


def notifier() -> None:
    """Run the notifier, which sends emails and webhooks."""
    with loading():
        from video2mp3.cli.roles import server

    server.notifier(_settings())


def migrate() -> None:
    """Migrate the database to this version's tables.

    Safe to run again, and from several machines at once.
    """
    from video2mp3.cli.roles import server

    server.migrate(_settings())


def doctor() -> None:
    """Check all dependencies, and say what to do.

    The machine, the engine, the database, the broker and the storage, as the settings choose them.
    """
    from video2mp3.cli.roles.doctor import examine

    sys.exit(0 if examine(_settings(log_level="error")) else 1)


def health(role: Role = "api") -> None:
    """Check the health of a role on this machine, for containers.

    Ends with status 1 if it is not healthy. For `serve`, check `api`.
    """
    from video2mp3.cli.roles.health import check
    from video2mp3.settings import load_settings

    typer.echo(check(load_settings(), role))


def _settings(**flags: Any) -> "Settings":
    from video2mp3.settings import load_settings
    from video2mp3.wiring import configure_logging

    settings = load_settings(**{name: value for name, value in flags.items() if value is not None})
    configure_logging(settings)
    return settings
