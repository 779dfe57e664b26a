"""Runs the service: all roles in one process, or one role."""

import shlex
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType

import typer
import uvicorn
from fastapi import FastAPI
from prometheus_client.registry import Collector

from video2mp3 import __version__, uploads
from video2mp3.accounts import audit, invitations, one_time_tokens, sign_ins, signing_keys, throttling, users
from video2mp3.api.application import create_app
from video2mp3.api.conversions import events
from video2mp3.api.frame.services import Services
from video2mp3.api.server import peers
from video2mp3.api.server.protocol import BoundedHeadProtocol
from video2mp3.cli.descriptors import raise_descriptor_limit
from video2mp3.cli.registration import registration_sentence
from video2mp3.database import migrate as migrations
from video2mp3.database.gauges import PoolGauges
from video2mp3.engine import Limits
from video2mp3.engine.cpus import available_cpus
from video2mp3.errors import ConfigurationError
from video2mp3.jobs.housekeeping.gauges import BacklogGauges
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.jobs.transfers import TransferLimits
from video2mp3.notify.loop import NotifierLoop
from video2mp3.notify.smtp import Mailer
from video2mp3.outbox import destinations
from video2mp3.settings import Settings, default_data_dir
from video2mp3.telemetry import metrics, metrics_server, tracing
from video2mp3.telemetry.disk import DiskGauges
from video2mp3.telemetry.loops import LoopGauges
from video2mp3.wiring import Backends, make_guard, open_backends
from video2mp3.worker.fetching import FetchLimits
from video2mp3.worker.loop import WorkerLoop
from video2mp3.worker.sandbox import require_sandbox

# More encoder threads would wait for the single decoder of their file.
_MAX_ENCODER_THREADS = 4
# A request switches threads several times, and each switch waits this long for a busy thread; the default is 5 ms.
_SWITCH_INTERVAL_S = 0.001


def serve(settings: Settings) -> None:
    """Runs API, worker and notifier in one process."""
    raise_descriptor_limit()
    require_sandbox(allow_unsandboxed=settings.allow_unsandboxed)
    with _listen(settings) as listener, open_backends(settings) as backends:
        migrations.upgrade(backends.database)
        with (
            _telemetry("serve", settings, backends, BacklogGauges(backends.database)),
            _housekeeping(settings, backends) as housekeeping,
            _notifier(settings, backends, housekeeping),
        ):
            worker = _make_worker(settings, backends, housekeeping)
            worker.start()
            try:
                app = _make_app(settings, backends, housekeeping, trust_loopback=_trusts_loopback(settings))
                _run_http(settings, app, listener, lambda url: _print_started(settings, backends, url), worker.drain)
            finally:
                worker.drain()
                worker.join()


def api(settings: Settings) -> None:
    """Runs the HTTP API."""
    raise_descriptor_limit()
    require_sandbox(allow_unsandboxed=settings.allow_unsandboxed)  # the API probes uploads in the sandbox
    with (
        _listen(settings) as listener,
        # The API accepts jobs without the queue: their rows wait for the relay.
        open_backends(settings, with_tables=True, needs_queue=False) as backends,
        _telemetry("api", settings, backends, BacklogGauges(backends.database)),
        _housekeeping(settings, backends) as housekeeping,
    ):
        app = _make_app(settings, backends, housekeeping, trust_loopback=False)
        _run_http(settings, app, listener, lambda url: _print_api_started(settings, url))


def worker(settings: Settings) -> None:
    """Runs a worker until SIGTERM, which drains it."""
    raise_descriptor_limit()
    require_sandbox(allow_unsandboxed=settings.allow_unsandboxed)
    with (
        open_backends(settings, with_tables=True) as backends,
        _telemetry("worker", settings, backends),
        _housekeeping(settings, backends) as housekeeping,
    ):
        loop = _make_worker(settings, backends, housekeeping)
        loop.start()
        typer.echo(f"video2mp3 worker ready, {_slots(settings)} slots")
        _wait_for_signal()
        loop.drain()
        loop.join()


def notifier(settings: Settings) -> None:
    """Runs the notifier."""
    raise_descriptor_limit()
    with (
        open_backends(settings, with_tables=True) as backends,
        _telemetry("notifier", settings, backends),
        _housekeeping(settings, backends) as housekeeping,
        _notifier(settings, backends, housekeeping),
    ):
        typer.echo("video2mp3 notifier ready")
        _wait_for_signal()


def migrate(settings: Settings) -> None:
    """Migrates the database to this version's tables."""
    with open_backends(settings) as backends:
        migrations.upgrade(backends.database)
        typer.echo(f"The database is at revision {migrations.current(backends.database)}.")


@contextmanager
def _telemetry(role: str, settings: Settings, backends: Backends, *collectors: Collector) -> Iterator[None]:
    """Serves metrics and exports traces, if configured, until the end of the block."""
    metrics.INFO.labels(__version__, role).set(1)
    own = (
        LoopGauges(),
        PoolGauges(backends.database),
        DiskGauges(backends.storage.scratch_folder, settings.min_free_disk_bytes),
    )
    with (
        tracing.export_spans(settings.traces_url, role),
        metrics_server.serve_metrics(settings.metrics_host, settings.metrics_port, (*own, *collectors)),
    ):
        yield


def _make_app(settings: Settings, backends: Backends, housekeeping: Housekeeping, *, trust_loopback: bool) -> FastAPI:
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


def _make_worker(settings: Settings, backends: Backends, housekeeping: Housekeeping) -> WorkerLoop:
    return WorkerLoop(
        backends.database,
        backends.queue,
        backends.storage,
        slots=_slots(settings),
        spare_slot=True,
        limits=Limits(
            max_audio_s=settings.max_audio_s,
            wall_clock_s=settings.conversion_timeout_s,
            threads=min(available_cpus(), _MAX_ENCODER_THREADS),
        ),
        fetch_limits=FetchLimits(
            guard=make_guard(settings),
            max_size_bytes=settings.max_upload_bytes,
            stored_bytes=settings.max_user_bytes,
            min_free_disk_bytes=settings.min_free_disk_bytes,
            time_limit_s=settings.fetch_timeout_s,
            least_bytes_per_s=settings.min_transfer_bytes_per_s,
            upload_retention_s=settings.upload_retention_s,
        ),
        transfers=TransferLimits(settings.transfers_at_once),
        drain_grace_s=settings.drain_grace_s,
        result_retention_s=settings.result_retention_s,
        wake=housekeeping.wake,
    )


def _slots(settings: Settings) -> int:
    return settings.worker_slots or available_cpus()


@contextmanager
def _housekeeping(settings: Settings, backends: Backends) -> Iterator[Housekeeping]:
    forget = partial(audit.delete_expired, retention_s=settings.audit_retention_s)
    rotate_old = partial(
        signing_keys.rotate_old, age_s=settings.signing_key_lifetime_s, lifetime_s=settings.access_token_lifetime_s
    )
    housekeeping = Housekeeping(
        backends.database,
        backends.queue,
        backends.storage,
        expire=[uploads.delete_expired],
        tend=[
            rotate_old,
            signing_keys.remove_retired,
            forget,
            throttling.delete_expired,
            one_time_tokens.delete_expired,
            sign_ins.delete_expired,
            destinations.delete_old,
            invitations.delete_old,
        ],
        max_user_history=settings.max_user_history,
    )
    housekeeping.start()
    try:
        yield housekeeping
    finally:
        housekeeping.stop()


@contextmanager
def _notifier(settings: Settings, backends: Backends, housekeeping: Housekeeping) -> Iterator[None]:
    mailer = None
    if settings.smtp_host:
        mailer = Mailer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            username=settings.smtp_username,
            password=settings.smtp_password.get_secret_value(),
            sender=settings.smtp_from,
        )
    loop = NotifierLoop(
        backends.database,
        backends.queue,
        mailer=mailer,
        guard=make_guard(settings),
        public_url=settings.effective_public_url,
        wake=housekeeping.wake,
    )
    loop.start()
    try:
        yield
    finally:
        loop.stop()


# -- HTTP ---------------------------------------------------------------------------------------------


@contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    """Binds the address before anything else starts, so that a port in use is one clear sentence."""
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
        yield listener


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


def _run_http(
    settings: Settings,
    app: FastAPI,
    listener: socket.socket,
    on_started: Callable[[str], None],
    on_ending: Callable[[], None] = lambda: None,
) -> None:
    """Serves until SIGINT or SIGTERM; then calls `on_ending` and finishes the open requests."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        app,
        http=BoundedHeadProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        # Otherwise any client could forge the address in the log.
        proxy_headers=False,
        # Without a limit, one open download would block the shutdown forever.
        timeout_graceful_shutdown=max(1, settings.drain_grace_s),
    )
    server = _Server(config, app, lambda: on_started(f"http://{host}:{port}"), on_ending)
    # uvicorn raises the signal again after its end. This handler catches it, so that the other loops end cleanly.
    _on_first_signal(lambda: None)
    server.run(sockets=[listener])


def _print_started(settings: Settings, backends: Backends, url: str) -> None:
    # The reader of the output may have closed the pipe.
    with suppress(BrokenPipeError):
        _print_start_message(settings, backends, url)


def _print_api_started(settings: Settings, url: str) -> None:
    typer.echo(f"video2mp3 api listens on {url}")
    typer.echo(f"Registration: {registration_sentence(settings)}")


def _print_start_message(settings: Settings, backends: Backends, url: str) -> None:
    typer.echo(f"video2mp3 listens on {url}")
    if _trusts_loopback(settings):
        with backends.database.write() as session:
            secret = sign_ins.make_link(session, users.local_user(session))
        typer.echo(f"Open this link once to sign in with a browser: {url}/sign-in?token={secret}")
        typer.echo("Your programs on this machine need no sign-in; stop with Ctrl-C.")
    else:
        if not settings.is_local:
            _print_set_up_link(settings, backends, url)
        where = "on the page, or " if settings.effective_registration == "open" else ""
        typer.echo(f"Every request needs an account; create one {where}with: {_own_command(settings)} user add NAME")
    typer.echo(f"Registration: {registration_sentence(settings)}")


def _print_set_up_link(settings: Settings, backends: Backends, url: str) -> None:
    """Prints a sign-in link for the first administrator: in a container, the log is the only channel."""
    with backends.database.write() as session:
        user = users.set_up_user(session)
        secret = sign_ins.make_link(session, user) if user else None
    if secret:
        # A browser cannot open the wildcard address.
        reached = settings.public_url.rstrip("/") or url.replace("//0.0.0.0:", "//localhost:").replace(
            "//[::]:", "//localhost:"
        )
        typer.echo(f"Open this link once to sign in as the administrator: {reached}/sign-in?token={secret}")


def _own_command(settings: Settings) -> str:
    """Returns the command that calls this program with the same data folder."""
    program = Path(sys.argv[0])
    command = shlex.quote(str(program)) if program.name == "video2mp3" else "video2mp3"
    if settings.data_dir.absolute() == default_data_dir().absolute():
        return command
    return f"VIDEO2MP3_DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))} {command}"


def _trusts_loopback(settings: Settings) -> bool:
    """Returns whether programs of this system user need no sign-in; never behind a proxy."""
    return settings.is_local and not settings.require_login and peers.can_be_known()


def _wait_for_signal() -> None:
    """Waits for the first SIGTERM or SIGINT; the next signal ends the process at once."""
    ended = threading.Event()
    _on_first_signal(ended.set)
    ended.wait()


def _on_first_signal(do: Callable[[], None]) -> None:
    """Calls `do` at the first SIGTERM or SIGINT; the next signal ends the process at once."""

    def on_signal(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        do()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
