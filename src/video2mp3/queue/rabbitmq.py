"""The queue in RabbitMQ, 3.10 or later.

The protocol needs an event loop (heartbeats, confirms), which runs in a separate thread; the public methods block.
Publishers and consumers use separate connections: a broker that is short of memory stops reading from publishers, and
acks must still get through.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, TypeVar

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from video2mp3.errors import QueueUnavailable
from video2mp3.queue import QUEUE_NAMES
from video2mp3.queue.broker import (
    BROKER_ERRORS,
    Broker,
    Opened,
    dead_letter_queue,
    parse_url,
    raising_broker_errors,
)
from video2mp3.queue.subscription import Subscription, SubscriptionLost
from video2mp3.supervision import Loop

T = TypeVar("T")

_PUBLISH_TIMEOUT_S = 2
_CALL_TIMEOUT_S = 5
_RETRY_DELAY_S = 1
_TICK_S = 1.0
_STALL_AFTER_S = 30.0


class RabbitQueue:
    """Both queues, in one virtual host of a broker."""

    durable = True

    def __init__(self, url: str) -> None:
        """Prepares the connections; connects at first use.

        Raises:
            ConfigurationError: when the URL is not a broker's.
        """
        parsed = parse_url(url)
        self._emptied = threading.Event()
        self._publisher = Broker(parsed, "publisher", self._emptied.set)
        self.broker = Broker(parsed, "consumer", self._emptied.set)
        self._loop = asyncio.new_event_loop()
        self._thread = Loop("rabbitmq", self._loop.run_forever, stall_after_s=_STALL_AFTER_S)
        self._loop.call_soon(self._tick)
        self._thread.start()
        self._lock = threading.Lock()
        self._closed = False

    def publish(self, queue: str, body: bytes, expires_s: float, headers: Mapping[str, str] | None = None) -> None:
        """See `Queue`."""
        self.run(self.publish_async(queue, body, expires_s, headers))

    async def publish_async(
        self, queue: str, body: bytes, expires_s: float | None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publishes on the event loop."""

        async def action(opened: Opened) -> None:
            message = Message(
                body,
                headers=dict(headers or {}),
                content_type="application/json",
                delivery_mode=DeliveryMode.PERSISTENT,
                expiration=expires_s,
            )
            await opened.channel.default_exchange.publish(message, routing_key=queue, mandatory=True)

        await self._publisher.call(action, _PUBLISH_TIMEOUT_S)

    def lost_messages(self) -> bool:
        """See `Queue`. True in the process that reconnects first after the broker lost its data."""
        if not self._emptied.is_set():
            return False
        self._emptied.clear()
        return True

    def depth(self, queue: str) -> int:
        """See `Queue`."""
        return self.run(self._depth(queue))

    async def _depth(self, queue: str) -> int:
        async def action(opened: Opened) -> int:
            async with opened.connection.channel(publisher_confirms=False) as channel:
                declared = await self.broker.declare(opened.connection, channel, queue)
                return declared.declaration_result.message_count or 0

        if queue not in QUEUE_NAMES:
            raise QueueUnavailable(f"There is no queue `{queue}`.")
        return await self.broker.call(action, _CALL_TIMEOUT_S)

    def consumer(self, queue: str) -> "RabbitConsumer":
        """See `Queue`."""
        if queue not in QUEUE_NAMES:
            raise QueueUnavailable(f"There is no queue `{queue}`.")
        return RabbitConsumer(self, queue)

    def check(self) -> None:
        """See `Queue`. The error says whether address, credentials or virtual host are wrong."""
        for name in QUEUE_NAMES:
            self.depth(name)

    def close(self) -> None:
        """See `Queue`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            ending = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        ending.result()
        self._thread.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _tick(self) -> None:
        """Reports that the event loop runs."""
        self._thread.feed()
        self._loop.call_later(_TICK_S, self._tick)

    async def _end(self) -> None:
        await asyncio.gather(self._publisher.close(), self.broker.close())
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine that has a deadline on the event loop, and returns its result."""
        with self._lock:
            if self._closed:
                coroutine.close()
                raise QueueUnavailable("The connection to the message broker is closed.")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise QueueUnavailable("The connection to the message broker is closed.") from None
        finally:
            # If the waiting thread is interrupted, a later message would be lost.
            future.cancel()

    def run_quietly(self, action: Callable[[], Awaitable[None]]) -> None:
        """Runs an action on the event loop and ignores errors: they only cause duplicates."""

        async def limited() -> None:
            with raising_broker_errors():
                async with asyncio.timeout(_CALL_TIMEOUT_S):
                    await action()

        with suppress(QueueUnavailable, *BROKER_ERRORS):
            self.run(limited())


class RabbitMessage:
    """See `Message`."""

    def __init__(self, owner: RabbitQueue, queue: str, incoming: AbstractIncomingMessage) -> None:
        self.body = incoming.body
        headers = incoming.headers.items()
        self.headers: Mapping[str, str] = {name: value for name, value in headers if isinstance(value, str)}
        self._owner = owner
        self._queue = queue
        self._incoming = incoming

    def ack(self) -> None:
        """See `Message`."""
        self._owner.run_quietly(self._incoming.ack)

    def dead_letter(self) -> None:
        """See `Message`."""
        self._owner.run_quietly(self._dead_letter)

    async def _dead_letter(self) -> None:
        try:
            await self._owner.publish_async(dead_letter_queue(self._queue), self.body, None)
        except QueueUnavailable:
            await self._incoming.nack()
        else:
            await self._incoming.ack()


class RabbitConsumer:
    """See `Consumer`. Reconnects by itself."""

    def __init__(self, owner: RabbitQueue, queue: str) -> None:
        self._owner = owner
        self._queue = queue
        self._subscription: Subscription | None = None
        self._closed = False

    def take(self, timeout_s: float) -> RabbitMessage | None:
        """See `Consumer`. Returns None if the consumer is closed meanwhile; raises if it was closed before.

        Retries an unavailable broker until `timeout_s` is over.
        """
        if self._closed:
            raise QueueUnavailable("The consumer is closed.")
        incoming = self._owner.run(self._take(timeout_s))
        return RabbitMessage(self._owner, self._queue, incoming) if incoming else None

    async def _take(self, timeout_s: float) -> AbstractIncomingMessage | None:
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + timeout_s
        while not self._closed:
            try:
                with raising_broker_errors():
                    subscription = await self._subscribed()
                incoming = await subscription.next(deadline_s - clock())
            except SubscriptionLost:
                # The next attempt shows whether the broker is available.
                self._drop()
                await asyncio.sleep(_RETRY_DELAY_S / 10)
            except BROKER_ERRORS as error:
                self._drop(with_connection=True)
                if clock() + _RETRY_DELAY_S > deadline_s:
                    raise self._owner.broker.unavailable(error) from error
                await asyncio.sleep(_RETRY_DELAY_S)
            else:
                if incoming or clock() >= deadline_s:
                    return incoming
        return None

    async def _subscribed(self) -> Subscription:
        async with asyncio.timeout(_CALL_TIMEOUT_S):
            if self._subscription is not None and self._subscription.is_stale:
                await self._subscription.close()
                self._subscription = None
            if self._subscription is None:
                broker = self._owner.broker
                self._subscription = await broker.attempt(lambda opened: Subscription.open(broker, opened, self._queue))
            await self._subscription.start()
            if self._closed:
                # `close` came before there was a subscription that it could end.
                raise SubscriptionLost
            return self._subscription

    def _drop(self, *, with_connection: bool = False) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._owner.broker.in_background(subscription.close())
            if with_connection:
                self._owner.broker.discard(subscription.opened)

    def stop(self) -> None:
        """See `Consumer`."""
        self._owner.run_quietly(self._stop)

    async def _stop(self) -> None:
        if self._subscription is not None:
            try:
                await self._subscription.stop()
            except BaseException:
                # Without its channel, the consumer receives nothing.
                self._drop()
                raise

    def close(self) -> None:
        """See `Consumer`."""
        self._closed = True
        self._owner.run_quietly(self._close)

    async def _close(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.end()
            await subscription.close()
