"""Turns the settings into a database, a queue and a storage: the only place where back ends are chosen.

The clients of RabbitMQ and of object stores are loaded only where they are chosen: they take 8 MB of each process.
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import structlog

from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.errors import ConfigurationError, Unavailable
from video2mp3.outbound import Guard
from video2mp3.queue import Queue
from video2mp3.queue.memory import MemoryQueue
from video2mp3.settings import Settings
from video2mp3.storage import Storage
from video2mp3.storage.disk import DiskStorage

if TYPE_CHECKING:
    from video2mp3.notify.smtp import Mailer

log = structlog.get_logger()

_WAIT_PAUSE_S = 1.0


@dataclass(frozen=True)
class Backends:
    """The three parts that every role works with."""

    database: Database
    queue: Queue
    storage: Storage


def open_database(settings: Settings) -> Database:
    """Opens the database that VIDEO2MP3_DATABASE_URL names."""
    return Database(settings.effective_database_url)


def open_queue(settings: Settings) -> Queue:
    """Opens the queue that VIDEO2MP3_QUEUE_URL names."""
    scheme = urlsplit(settings.queue_url).scheme
    if scheme == "memory":
        return MemoryQueue()
    if scheme in ("amqp", "amqps"):
        from video2mp3.queue.rabbitmq import RabbitQueue

        return RabbitQueue(settings.queue_url)
    raise ConfigurationError(f"VIDEO2MP3_QUEUE_URL: {scheme or 'it'} is not supported; use memory:// or amqp://…")


def open_storage(settings: Settings) -> Storage:
    """Opens the storage that VIDEO2MP3_STORAGE_URL names."""
    url = settings.effective_storage_url
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise ConfigurationError("VIDEO2MP3_STORAGE_URL: a folder is written with three slashes: file:///folder.")
        return DiskStorage(Path(unquote(parts.path)))
    if parts.scheme in ("s3", "gs", "az"):
        from video2mp3.storage.objects import ObjectStorage

        return ObjectStorage(
            url,
            endpoint_url=settings.s3_endpoint_url or None,
            public_endpoint_url=settings.s3_public_endpoint_url or None,
            region=settings.s3_region,
            access_key_id=settings.s3_access_key_id or None,
            secret_access_key=settings.s3_secret_access_key.get_secret_value() or None,
            scratch_folder=settings.data_dir.absolute() / "scratch",
        )
    raise ConfigurationError(
        f"VIDEO2MP3_STORAGE_URL: {parts.scheme or 'it'} is not supported; use file:///… or s3://bucket/prefix"
    )


def make_guard(settings: Settings) -> Guard:
    """Makes what decides which of the users' URLs are connected to."""
    return Guard(settings.networks, settings.ports)


def make_mailer(settings: Settings) -> "Mailer | None":
    """Makes what sends emails; None where no mail server is set.

    Raises:
        ConfigurationError: when the sender is unusable.
    """
    if not settings.smtp_host:
        return None
    from video2mp3.notify.smtp import Mailer

    return Mailer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        username=settings.smtp_username,
        password=settings.smtp_password.get_secret_value(),
        sender=settings.smtp_from,
    )


@contextmanager
def open_backends(settings: Settings, *, with_tables: bool = False, needs_queue: bool = True) -> Iterator[Backends]:
    """Opens and checks all three; closes them at the end of the block.

    What does not answer is waited for, and so are the tables `with_tables`, for VIDEO2MP3_STARTUP_WAIT_S in all: a
    cluster starts everything at once. Where the role can do without the queue, a queue that is away is only logged.

    Raises:
        ConfigurationError: naming the setting whose part does not answer, or the command that makes the tables.
    """
    with (
        closing(open_database(settings)) as database,
        closing(open_queue(settings)) as queue,
        closing(open_storage(settings)) as storage,
    ):
        backends = Backends(database, queue, storage)
        _check(backends, settings, with_tables=with_tables, needs_queue=needs_queue)
        yield backends


def _check(backends: Backends, settings: Settings, *, with_tables: bool, needs_queue: bool) -> None:
    deadline_s = time.monotonic() + settings.startup_wait_s
    database = settings.origin("database_url")
    _wait_for(backends.database.check, database, deadline_s)
    _wait_for(backends.storage.check, settings.origin("storage_url"), deadline_s)
    try:
        _wait_for(backends.queue.check, settings.origin("queue_url"), deadline_s if needs_queue else 0)
    except ConfigurationError as error:
        if needs_queue:
            raise
        log.warning("started_without_queue", reason=error.detail)
    if with_tables:
        _wait_for(lambda: migrate.require_usable(backends.database), database, deadline_s)


def _wait_for(check: Callable[[], None], origin: str, deadline_s: float) -> None:
    is_said = False
    while True:
        try:
            return check()
        except (Unavailable, migrate.TablesOutdated) as error:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                if isinstance(error, Unavailable):
                    raise ConfigurationError(f"{origin}: {error}") from error
                raise
            if not is_said:
                log.warning("waiting_at_start", setting=origin, reason=str(error), at_most_s=round(left_s))
            is_said = True
        time.sleep(min(_WAIT_PAUSE_S, left_s))


def configure_logging(settings: Settings) -> None:
    """Sends structlog and the libraries' logs to stderr in one format: JSON, or plain lines on a terminal."""
    console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[structlog.types.Processor] = (
        [
            # The default one prints local variables, passwords among them.
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            # The facts of the engine's lines, which is a library and knows the standard logging only.
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    # These say at "info" what is our own business to say, or nothing of use.
    for chatty in ("uvicorn.error", "httpx", "uvicorn.access", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_not_of_upgrade)
    # It warns of each broken form, which is the sender's affair and is answered.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    # Where traces cannot be sent, it warns of each retry, and says in the end that it gave up.
    logging.getLogger("opentelemetry").setLevel(logging.ERROR)
    # They print a traceback for each lost connection, which our own code reports in a line.
    for noisy in ("aio_pika", "aiormq"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)


def _is_not_of_upgrade(record: logging.LogRecord) -> bool:
    """Returns whether a line is another one than uvicorn's for each request that asks for a protocol such as h2c.

    They advise to install a library for WebSockets, which this service does not speak. Its answer is that of HTTP/1.1.
    """
    return not record.getMessage().startswith(("Unsupported upgrade request", "No supported WebSocket library"))
