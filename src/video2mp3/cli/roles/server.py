"""Runs the service: all roles in one process, or one role.

Only the roles that answer requests load the web framework: it takes 28 MB and half a second of each process.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import typer
from prometheus_client.registry import Collector

from video2mp3 import __version__, uploads
from video2mp3.accounts import audit, invitations, one_time_tokens, sign_ins, signing_keys, throttling
from video2mp3.cli.roles import database_lock
from video2mp3.cli.roles.descriptors import raise_descriptor_limit
from video2mp3.cli.roles.loading import loading
from video2mp3.database import migrate as migrations
from video2mp3.database.gauges import PoolGauges
from video2mp3.engine import Limits
from video2mp3.engine.cpus import available_cpus
from video2mp3.jobs.housekeeping.gauges import BacklogGauges
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.jobs.housekeeping.restart import end_earlier_claims
from video2mp3.jobs.transfers import TransferLimits
from video2mp3.notify.loop import NotifierLoop
from video2mp3.outbox import destinations
from video2mp3.settings import Settings
from video2mp3.telemetry import metrics, metrics_server, tracing
from video2mp3.telemetry.disk import DiskGauges
from video2mp3.telemetry.loops import LoopGauges
from video2mp3.wiring import Backends, make_guard, make_mailer, open_backends
from video2mp3.worker.fetching import FetchLimits
from video2mp3.worker.loop import WorkerConfig, WorkerLoop
from video2mp3.worker.sandbox import require_sandbox

# More encoder threads would wait for the single decoder of their file.
_MAX_ENCODER_THREADS = 4


def serve(settings: Settings) -> None:
    """Runs API, worker and notifier in one process."""
    with loading():
        from video2mp3.cli.roles import http_server

    raise_descriptor_limit()
    require_sandbox(allow_unsandboxed=settings.allow_unsandboxed)
    with (
        http_server.listen(settings) as (listener, settings),
        open_backends(settings) as backends,
        database_lock.hold_alone(settings) as record_url,
    ):
        migrations.upgrade(backends.database)
        migrations.require_usable(backends.database)
        if backends.database.dialect == "sqlite":
            end_earlier_claims(backends.database)
        with (
            _telemetry("serve", settings, backends, BacklogGauges(backends.database)),
            _housekeeping(settings, backends) as housekeeping,
            _notifier(settings, backends, housekeeping),
        ):
            worker = _make_worker(settings, backends, housekeeping)
            worker.start()
            try:
                trust_loopback = http_server.trusts_loopback(settings)
                app = http_server.make_app(settings, backends, housekeeping, trust_loopback=trust_loopback)

                def on_started(url: str) -> None:
                    record_url(http_server.reached_url(settings, url))
                    http_server.print_started(settings, backends, url)

                def on_ending() -> None:
                    http_server.print_ending(worker.running(), settings.drain_grace_s)
                    worker.drain()

                _catch_first_signal()
                http_server.run_http(settings, app, listener, on_started, on_ending)
            finally:
                worker.drain()
                worker.join()


def api(settings: Settings) -> None:
    """Runs the HTTP API."""
    with loading():
        from video2mp3.cli.roles import http_server

    raise_descriptor_limit()
    require_sandbox(allow_unsandboxed=settings.allow_unsandboxed)  # the API probes uploads in the sandbox
    with (
        http_server.listen(settings) as (listener, settings),
        # The API accepts jobs without the queue: their rows wait for the relay.
        open_backends(settings, with_tables=True, needs_queue=False) as backends,
        database_lock.hold_with_others(settings),
        _telemetry("api", settings, backends, BacklogGauges(backends.database)),
        _housekeeping(settings, backends) as housekeeping,
    ):
        app = http_server.make_app(settings, backends, housekeeping, trust_loopback=False)
        _catch_first_signal()
        http_server.run_http(settings, app, listener, partial(http_server.print_api_started, settings, backends))


def worker(settings: Settings) -> None:
    """Runs a worker until SIGTERM, which drains it."""
    raise_descriptor_limit()
    require_sandbox(allow_unsandboxed=settings.allow_unsandboxed)
    with (
        open_backends(settings, with_tables=True) as backends,
        database_lock.hold_with_others(settings),
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
        database_lock.hold_with_others(settings),
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
        migrations.require_usable(backends.database)
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


def _make_worker(settings: Settings, backends: Backends, housekeeping: Housekeeping) -> WorkerLoop:
    return WorkerLoop(
        backends.database,
        backends.queue,
        backends.storage,
        WorkerConfig(
            slots=_slots(settings),
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
        ),
        housekeeping.wake,
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
        maintenance=[
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
    loop = NotifierLoop(
        backends.database,
        backends.queue,
        mailer=make_mailer(settings),
        guard=make_guard(settings),
        public_url=settings.effective_public_url,
        wake=housekeeping.wake,
    )
    loop.start()
    try:
        yield
    finally:
        loop.stop()


def _wait_for_signal() -> None:
    """Waits for the first SIGTERM or SIGINT; the next signal ends the process at once."""
    # A lock would be waited for even after a signal that came just before the wait; a byte in a pipe is there.
    received, sent = os.pipe()
    os.set_blocking(sent, False)
    signal.set_wakeup_fd(sent)
    _catch_first_signal()
    os.read(received, 1)
    signal.set_wakeup_fd(-1)
    os.close(received)
    os.close(sent)


def _catch_first_signal() -> None:
    """Lets the first SIGTERM or SIGINT end nothing; the next signal ends the process at once.

    After its end uvicorn raises the signal again that it got; the other loops end cleanly all the same.
    """
    ending = (signal.SIGTERM, signal.SIGINT)

    def on_signal(_number: int, _frame: object) -> None:
        for number in ending:
            signal.signal(number, signal.SIG_DFL)

    for number in ending:
        signal.signal(number, on_signal)
