"""Reconnecting connections to RabbitMQ. Use them on one event loop only."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aiormq.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionInternalError,
    ConnectionNotAllowed,
    DeliveryError,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from pamqp.common import FieldTable
from yarl import URL

from video2mp3.errors import ConfigurationError, QueueUnavailable
from video2mp3.queue import QUEUE_NAMES

T = TypeVar("T")

# Errors that the library raises when a connection or channel is lost; RuntimeError when it is used afterwards.
BROKER_ERRORS = (AMQPError, OSError, TimeoutError, RuntimeError)

_PORTS = {"amqp": 5672, "amqps": 5671}
_CONNECT_TIMEOUT_S = 5
# A broker that is silent for three intervals counts as lost.
_HEARTBEAT_S = 10
# The broker drops the oldest ones first.
_DEAD_LETTERS_KEPT = 10_000


@contextmanager
def raising_broker_errors() -> Iterator[None]:
    """Raises one of BROKER_ERRORS also where the library raises a bare Exception: to who waits while it closes."""
    try:
        yield
    except Exception as error:
        if type(error) is Exception:
            raise ConnectionError("The connection was closed meanwhile.") from error
        raise


def parse_url(url: str) -> URL:
    """Returns the broker's URL with default port and heartbeat.

    Raises:
        ConfigurationError: when the URL is not valid. The sentence omits the URL, which contains a password.
    """
    try:
        parsed = URL(url)
    except ValueError:
        parsed = URL()
    if parsed.scheme not in _PORTS or not parsed.host:
        raise ConfigurationError("VIDEO2MP3_QUEUE_URL is not a broker's URL: amqp://user:password@host:port/vhost.")
    parsed = parsed.with_port(parsed.port or _PORTS[parsed.scheme])
    return parsed if "heartbeat" in parsed.query else parsed.update_query(heartbeat=_HEARTBEAT_S)


def dead_letter_queue(name: str) -> str:
    """Returns the name of the dead-letter queue of queue `name`."""
    return f"{name}.dead"


async def _exists(connection: AbstractConnection, name: str) -> bool:
    # On a separate channel, because the broker closes it if the queue does not exist.
    async with connection.channel(publisher_confirms=False) as channel:
        try:
            await channel.declare_queue(name, passive=True)
        except ChannelNotFoundEntity:
            return False
    return True


@dataclass(frozen=True)
class Opened:
    """An open connection, with a channel that has publisher confirms."""

    connection: AbstractConnection
    channel: AbstractChannel

    @property
    def is_alive(self) -> bool:
        """False if the connection or the channel is known to be lost."""
        return self.connection.connected.is_set() and not self.channel.is_closed


class Broker:
    """One connection to the broker, opened at first use and again after a loss.

    The library's robust connection is not used: it restores the connection, but not always its consumers, nor queues
    that were lost with the broker's data.
    """

    def __init__(self, url: URL, purpose: str, on_declared: Callable[[], None]) -> None:
        """Calls `on_declared` when missing queues were declared, so that their messages were lost."""
        self._url = url
        self._purpose = purpose
        self._on_declared = on_declared
        self._opened: Opened | None = None
        self._opening: asyncio.Task[Opened] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self) -> Opened:
        """Returns the connection; connects and declares the queues if needed."""
        if self._opened is not None:
            if self._opened.is_alive:
                return self._opened
            self.discard(self._opened)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            # Retrieve the exception even if every caller timed out: otherwise asyncio logs a warning.
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        # A caller that times out must not cancel the connection attempt of other callers.
        return await asyncio.shield(self._opening)

    async def _open(self) -> Opened:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                properties: FieldTable = {"connection_name": f"video2mp3 {self._purpose}"}
                connection = await aio_pika.connect(self._url, client_properties=properties)
                try:
                    channel = await connection.channel(on_return_raises=True)
                    for name in QUEUE_NAMES:
                        await self.declare(connection, channel, name)
                except BaseException:
                    self.in_background(connection.close())
                    raise
            self._opened = Opened(connection, channel)
            return self._opened
        finally:
            self._opening = None

    async def declare(self, connection: AbstractConnection, channel: AbstractChannel, name: str) -> AbstractQueue:
        """Declares the queue and its dead-letter queue, and returns the queue.

        The queue has no dead-letter exchange: that would receive expired messages too.
        """
        was_there = await _exists(connection, name)
        quorum: FieldTable = {"x-queue-type": "quorum"}
        dead: FieldTable = {**quorum, "x-max-length": _DEAD_LETTERS_KEPT}
        await channel.declare_queue(dead_letter_queue(name), durable=True, arguments=dead)
        queue = await channel.declare_queue(name, durable=True, arguments=quorum)
        if not was_there:
            self._on_declared()
        return queue

    def discard(self, opened: Opened) -> None:
        """Drops a failed connection; does nothing if it was dropped before."""
        if self._opened is opened:
            self._opened = None
            self.in_background(opened.connection.close())

    def in_background(self, closing: Awaitable[None]) -> None:
        """Closes a connection or channel without waiting: a broker that hangs would not answer."""

        async def limited() -> None:
            with suppress(*BROKER_ERRORS), raising_broker_errors():  # the connection is lost
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    await closing

        task = asyncio.create_task(limited())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Closes the connection and waits until it is closed."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._opened is not None:
            self.discard(self._opened)
        if self._closing:
            await asyncio.wait(self._closing)

    async def call(self, action: Callable[[Opened], Awaitable[T]], timeout_s: float) -> T:
        """Runs `action`; repeats it on a new connection if the first one was lost.

        Raises:
            QueueUnavailable: when the second attempt fails, or after `timeout_s` seconds.
        """
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    return await self.attempt(action)
                except BROKER_ERRORS:
                    return await self.attempt(action)
        except BROKER_ERRORS as error:
            raise self.unavailable(error) from error

    async def attempt(self, action: Callable[[Opened], Awaitable[T]]) -> T:
        """Runs `action` with the connection; drops the connection after an error or timeout."""
        with raising_broker_errors():
            opened = await self.open()
            try:
                return await action(opened)
            except BaseException:
                self.discard(opened)
                raise

    def unavailable(self, error: BaseException) -> QueueUnavailable:
        """Returns the error as one sentence that says what to check."""
        return QueueUnavailable(f"The message broker at {self._url.host}:{self._url.port} {self._what_failed(error)}.")

    def _what_failed(self, error: BaseException) -> str:
        match error:
            case AuthenticationError() | ProbableAuthenticationError():
                return "rejects the user name or the password"
            case ConnectionNotAllowed() | InvalidFrameError():
                # The library reports a rejected virtual host as an invalid frame.
                vhost = self._url.path.removeprefix("/") or "/"
                return f"has no virtual host `{vhost}`, or the user may not use it"
            case ConnectionInternalError():
                return "has an internal error; see its log"
            case ChannelAccessRefused():
                return "denies the user the right to declare and use the queues"
            case ChannelPreconditionFailed():
                return f"has a queue of another kind named {' or '.join(QUEUE_NAMES)}: use a separate virtual host"
            case DeliveryError():
                return "did not take the message"
            case TimeoutError():
                return "did not answer in time"
            case _:
                return "cannot be reached"
