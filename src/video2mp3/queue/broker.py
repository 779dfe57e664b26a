"""Connections to RabbitMQ that come back after they were lost. Everything here lives on one event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
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

# What the library raises when a connection or a channel is lost, or was lost before: the last one when it is
# used after that.
BROKER_ERRORS = (AMQPError, OSError, TimeoutError, RuntimeError)

_PORTS = {"amqp": 5672, "amqps": 5671}
_CONNECT_TIMEOUT_S = 5
# A broker that is silent for three times as long is taken for lost.
_HEARTBEAT_S = 10
# Oldest first out: nobody has looked at them for a long time.
_DEAD_LETTERS_KEPT = 10_000


def parse_url(url: str) -> URL:
    """Returns the broker's URL with our defaults.

    Raises:
        ConfigurationError: when it is not one; the sentence does not repeat it, for it holds a password.
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
    """Returns the name of the queue for the unusable messages of queue `name`."""
    return f"{name}.dead"


async def _exists(connection: AbstractConnection, name: str) -> bool:
    # On a channel of its own: the broker closes it when the answer is no.
    async with connection.channel(publisher_confirms=False) as channel:
        try:
            await channel.declare_queue(name, passive=True)
        except ChannelNotFoundEntity:
            return False
    return True


@dataclass(frozen=True)
class Opened:
    """A connection that works, with a channel that confirms what is published."""

    connection: AbstractConnection
    channel: AbstractChannel

    @property
    def is_alive(self) -> bool:
        """False when it is known to be lost."""
        return self.connection.connected.is_set() and not self.channel.is_closed


class Broker:
    """One connection to the broker, opened when first needed and again after it was lost.

    The library's own reconnecting connection is not used: it gives back a lost connection, but not always
    the consumers on it, nor queues that were lost with the broker's data.
    """

    def __init__(self, url: URL, purpose: str, on_made: Callable[[], None]) -> None:
        """`on_made` is called when queues were missing and had to be made: what was in them is lost."""
        self._url = url
        self._purpose = purpose
        self._on_made = on_made
        self._opened: Opened | None = None
        self._opening: asyncio.Task[Opened] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def open(self) -> Opened:
        """Returns the connection; makes it, and the queues, where it is not there."""
        if self._opened is not None:
            if self._opened.is_alive:
                return self._opened
            self.discard(self._opened)
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
            # Read by somebody, even when every caller's time is up before: else asyncio complains in the log.
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        # A caller whose time is up does not take the connection away from the next one.
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
        """Makes the queue and its dead-letter queue, where they are not there yet, and returns the queue.

        The broker itself does not move messages to the dead-letter queue: it would move the expired ones too.
        """
        was_there = await _exists(connection, name)
        quorum: FieldTable = {"x-queue-type": "quorum"}
        dead: FieldTable = {**quorum, "x-max-length": _DEAD_LETTERS_KEPT}
        await channel.declare_queue(dead_letter_queue(name), durable=True, arguments=dead)
        queue = await channel.declare_queue(name, durable=True, arguments=quorum)
        if not was_there:
            self._on_made()
        return queue

    def discard(self, opened: Opened) -> None:
        """Gives up a connection that failed; does nothing when that was done before."""
        if self._opened is opened:
            self._opened = None
            self.in_background(opened.connection.close())

    def in_background(self, closing: Awaitable[None]) -> None:
        """Closes something without waiting: a broker that does not read any more does not answer this either."""

        async def limited() -> None:
            with suppress(*BROKER_ERRORS):  # it was lost already
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    await closing

        task = asyncio.create_task(limited())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Closes the connection and waits for that."""
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self._opened is not None:
            self.discard(self._opened)
        if self._closing:
            await asyncio.wait(self._closing)

    async def call(self, action: Callable[[Opened], Awaitable[T]], timeout_s: float) -> T:
        """Runs `action`; once more on a new connection when the first was lost without notice.

        Raises:
            QueueUnavailable: when that fails too, or after `timeout_s` seconds.
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
        """Runs `action` with the connection, which is given up when that fails, or when time is up."""
        opened = await self.open()
        try:
            return await action(opened)
        except BaseException:
            self.discard(opened)
            raise

    def unavailable(self, error: BaseException) -> QueueUnavailable:
        """Returns the error as one sentence that says what to look at."""
        return QueueUnavailable(f"The message broker at {self._url.host}:{self._url.port} {self._what_failed(error)}.")

    def _what_failed(self, error: BaseException) -> str:
        match error:
            case AuthenticationError() | ProbableAuthenticationError():
                return "refuses the user name or the password"
            case ConnectionNotAllowed() | InvalidFrameError():
                # The library tells the broker's answer to the choice of the virtual host as a wrong frame.
                vhost = self._url.path.removeprefix("/") or "/"
                return f"has no virtual host `{vhost}`, or the user may not use it"
            case ConnectionInternalError():
                return "has a fault of its own; see its log"
            case ChannelAccessRefused():
                return "gives the user no right to make and use the queues"
            case ChannelPreconditionFailed():
                return f"has a queue of another kind named {' or '.join(QUEUE_NAMES)}: use a virtual host of its own"
            case DeliveryError():
                return "did not take the message"
            case TimeoutError():
                return "did not answer in time"
            case _:
                return "cannot be reached"
