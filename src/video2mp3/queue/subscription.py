"""One channel that consumes one queue, on one event loop. Discard it after an error."""

import asyncio

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue, ConsumerTag

from video2mp3.queue.broker import Broker, Opened

# Consumers can be lost silently: if a queue is deleted and declared again within milliseconds, RabbitMQ 3.10 keeps the
# consumer but loses its deliveries. So an idle consumer is renewed with its channel, which requeues its deliveries.
_RENEW_AFTER_S = 20


class SubscriptionLost(RuntimeError):
    """The broker ended the consumer, the channel or the connection."""


class Subscription:
    """Consumes with a prefetch of one: the next message comes after the ack of the last."""

    def __init__(self, opened: Opened, channel: AbstractChannel, queue: AbstractQueue) -> None:
        self.opened = opened
        self._channel = channel
        self._queue = queue
        self._tag: ConsumerTag | None = None
        self._is_wanted = False
        self._heard_at_s = asyncio.get_running_loop().time()
        self._last: AbstractIncomingMessage | None = None
        # None marks the end.
        self._inbox: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()

    @classmethod
    async def open(cls, broker: Broker, opened: Opened, name: str) -> "Subscription":
        """Opens a channel and declares the queue."""
        channel = await opened.connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=1)
        subscription = cls(opened, channel, await broker.declare(opened.connection, channel, name))
        channel.close_callbacks.add(lambda *_: subscription.end())
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: subscription.end())
        return subscription

    @property
    def is_stale(self) -> bool:
        """True if the consumer was idle for so long that the broker may have lost it."""
        holds_message = self._last is not None and not self._last.processed
        return not holds_message and asyncio.get_running_loop().time() - self._heard_at_s > _RENEW_AFTER_S

    async def start(self) -> None:
        """Starts consuming, if it is stopped."""
        if not self._is_wanted:
            self._is_wanted = True
            self._tag = await self._queue.consume(self._on_message)

    async def stop(self) -> None:
        """Stops consuming; requeues messages that were not taken."""
        self._is_wanted = False
        if self._tag is not None:
            tag, self._tag = self._tag, None
            await self._queue.cancel(tag)
        is_at_end = False
        while not self._inbox.empty():
            message = self._inbox.get_nowait()
            if message is None:
                is_at_end = True
            else:
                await message.nack()
        if is_at_end:
            self.end()

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        # A message that was in flight when consuming stopped arrives later.
        if self._is_wanted:
            self._inbox.put_nowait(message)
        else:
            await message.nack()

    async def next(self, timeout_s: float) -> AbstractIncomingMessage | None:
        """Waits for the next message; returns None after the timeout.

        Raises:
            SubscriptionLost: when the subscription has ended.
        """
        try:
            async with asyncio.timeout(min(timeout_s, _RENEW_AFTER_S)):
                message = await self._inbox.get()
        except TimeoutError:
            return None
        if message is None:
            self.end()
            raise SubscriptionLost
        self._heard_at_s = asyncio.get_running_loop().time()
        self._last = message
        return message

    def end(self) -> None:
        """Ends the wait in `next`, now or later."""
        self._inbox.put_nowait(None)

    async def close(self) -> None:
        """Closes the channel; the broker requeues unacknowledged messages."""
        await self._channel.close()
