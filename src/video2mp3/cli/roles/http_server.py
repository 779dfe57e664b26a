"""The HTTP server of the roles that answer requests, and what it prints when it has started."""

import shlex
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import typer
import uvicorn
from fastapi import FastAPI

from video2mp3.accounts import sign_ins, users
from video2mp3.api.application import create_app
from video2mp3.api.conversions import events
from video2mp3.api.frame.services import Services
from video2mp3.api.server import peers
from video2mp3.api.server.protocol import BoundedHeadProtocol
from video2mp3.cli.roles.registration import registration_sentence
from video2mp3.errors import ConfigurationError
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.settings import Settings
from video2mp3.wiring import Backends, make_guard

# A request switches threads several times, and each switch waits this long for a busy thread; the default is 5 ms.
_SWITCH_INTERVAL_S = 0.001


def make_app(settings: Settings, backends: Backends, housekeeping: Housekeeping, *, trust_loopback: bool) -> FastAPI:
    """Creates the API. With `trust_loopback`, programs of this system user need no sign-in."""
    return create_app(
        Services(
            settings=settings,
            database=backends.database,
            queue=backends.queue,
            storage=backends.storage,
            guard=make_guard(settings),
            wake=housekeeping.wake,
            trust_loopback=trust_loopback,
        )
    )


@contextmanager
def listen(settings: Settings) -> Iterator[tuple[socket.socket, Settings]]:
    """Binds the address before anything else starts, so that a port in use is one clear sentence.

    Returns also the settings with the port that was bound, for links: port 0 lets the system choose one.
    """
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {settings.host} port {settings.port} ({error.strerror}); "
            "choose others with --host and --port (VIDEO2MP3_HOST, VIDEO2MP3_PORT; make run HOST=… PORT=…)."
        ) from None
    with listener:
        yield listener, settings.model_copy(update={"port": listener.getsockname()[1]})


class _Server(uvicorn.Server):
    """Calls back after the start and before the end, and ends the event streams."""

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, on_started: Callable[[], None], on_ending: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._app = app
        self._on_started = on_started
        self._on_ending = on_ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_ending()
        events.end_streams(self._app)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # By default, uvicorn exits at once only after a second SIGINT.
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)


def run_http(
    settings: Settings,
    app: FastAPI,
    listener: socket.socket,
    on_started: Callable[[str], None],
    on_ending: Callable[[], None] = lambda: None,
) -> None:
    """Serves until SIGINT or SIGTERM; then calls `on_ending` and finishes the open requests."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        app,
        http=BoundedHeadProtocol,
        ws="none",  # otherwise uvicorn serves them if some other program has installed a library for them
        log_config=None,
        access_log=False,
        server_header=False,
        # Otherwise any client could forge the address in the log.
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_s,
        # Without a limit, one open download would block the shutdown forever.
        timeout_graceful_shutdown=max(1, settings.drain_grace_s),
    )
    server = _Server(config, app, lambda: on_started(f"http://{host}:{settings.port}"), on_ending)
    server.run(sockets=[listener])


def print_started(settings: Settings, backends: Backends, url: str) -> None:
    """Prints the service's URL, and how to sign in."""
    # The reader of the output may have closed the pipe.
    with suppress(BrokenPipeError):
        typer.echo(f"video2mp3 listens on {url}")
        if trusts_loopback(settings):
            with backends.database.write() as session:
                secret = sign_ins.make_link(session, users.local_user(session))
            typer.echo(f"Open this link once to sign in with a browser: {url}/sign-in?token={secret}")
            typer.echo("Your programs on this machine need no sign-in; stop with Ctrl-C.")
        else:
            if not settings.is_local:
                _print_set_up_link(settings, backends, url)
            where = "on the page, or " if settings.effective_registration == "open" else ""
            command = f"{_own_command(settings)} user add NAME"
            typer.echo(f"Every request needs an account; create one {where}with: {command}")
        typer.echo(f"Registration: {registration_sentence(settings)}")


def print_ending(running: int, grace_s: int) -> None:
    """Says what the end waits for, if anything."""
    if running:
        conversions = "1 conversion" if running == 1 else f"{running} conversions"
        with suppress(BrokenPipeError):
            typer.echo(
                f"Waits up to {grace_s} s for {conversions}; Ctrl-C again ends it now. "
                "What is not finished starts again with the service."
            )


def print_api_started(settings: Settings, backends: Backends, url: str) -> None:
    """Prints the API's URL, and while there is no account, how to sign in."""
    with suppress(BrokenPipeError):
        typer.echo(f"video2mp3 api listens on {url}")
        _print_set_up_link(settings, backends, url)
        typer.echo(f"Registration: {registration_sentence(settings)}")


def _print_set_up_link(settings: Settings, backends: Backends, url: str) -> None:
    """Prints a sign-in link for the first administrator: in a container, the log is the only channel."""
    with backends.database.write() as session:
        user = users.set_up_user(session)
        secret = sign_ins.make_link(session, user) if user else None
    if secret:
        reached = reached_url(settings, url)
        typer.echo(f"Open this link once to sign in as the administrator: {reached}/sign-in?token={secret}")


def reached_url(settings: Settings, url: str) -> str:
    """Returns the public URL, without a slash at the end; without one, the URL of the address that is listened on."""
    # A browser cannot open the wildcard address.
    local = url.replace("//0.0.0.0:", "//localhost:").replace("//[::]:", "//localhost:")
    return settings.public_url.rstrip("/") or local


def _own_command(settings: Settings) -> str:
    """Returns the command that calls this program with the same data folder."""
    program = Path(sys.argv[0])
    command = shlex.quote(str(program)) if program.name == "video2mp3" else "video2mp3"
    if "data_dir" not in settings.model_fields_set:
        return command
    return f"VIDEO2MP3_DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))} {command}"


def trusts_loopback(settings: Settings) -> bool:
    """Returns whether programs of this system user need no sign-in; never behind a proxy."""
    return settings.is_local and not settings.require_login and peers.can_be_known()
