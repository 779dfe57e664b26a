"""What only a broker can do: die, lose its data, be blocked, refuse."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from tests.queue.test_contract import NOTHING_S, SOON_S, take
from tests.servers import RabbitMQServer, free_port, wait_until
from video2mp3.errors import ConfigurationError, QueueUnavailable
from video2mp3.queue import MP3_QUEUE, VIDEO_QUEUE, Message
from video2mp3.queue import subscription as subscription_module
from video2mp3.queue.broker import BROKER_ERRORS, Opened
from video2mp3.queue.rabbitmq import RabbitConsumer, RabbitQueue

T = TypeVar("T")


@pytest.fixture
def rabbit_queue(rabbitmq: RabbitMQServer) -> Iterator[RabbitQueue]:
    rabbitmq.clear()
    queue = RabbitQueue(rabbitmq.url)
    yield queue
    queue.close()


def on_channel(rabbitmq: RabbitMQServer, action: Callable[[AbstractChannel], Awaitable[T]]) -> T:
    """Does something at the broker with a client of the tests' own."""

    async def run() -> T:
        connection = await aio_pika.connect(rabbitmq.url)
        async with connection, connection.channel() as channel:
            return await action(channel)

    return asyncio.run(run())


def messages_in(rabbitmq: RabbitMQServer, name: str) -> int:
    async def count(channel: AbstractChannel) -> int:
        declared = await channel.declare_queue(name, passive=True)
        return declared.declaration_result.message_count or 0

    return on_channel(rabbitmq, count)


def take_when_back(consumer: RabbitConsumer) -> Message:
    """Takes as a worker does: an unavailable broker is tried again."""

    def attempt() -> Message | None:
        try:
            return consumer.take(1)
        except QueueUnavailable:
            return None

    message = wait_until(attempt, 60, "a message")
    assert message is not None
    return message


def test_a_broker_that_was_killed_and_wiped_works_again(rabbitmq: RabbitMQServer, rabbit_queue: RabbitQueue) -> None:
    consumers = [rabbit_queue.consumer(VIDEO_QUEUE) for _ in range(3)]
    rabbit_queue.publish(VIDEO_QUEUE, b"before", expires_s=300)
    held = take(consumers[0])
    assert consumers[1].take(NOTHING_S) is None
    rabbitmq.kill()
    try:
        with pytest.raises(QueueUnavailable, match="cannot be reached"):
            rabbit_queue.publish(VIDEO_QUEUE, b"lost", expires_s=300)
        for consumer in consumers:
            with pytest.raises(QueueUnavailable, match="cannot be reached"):
                consumer.take(0.5)
        held.ack()
    finally:
        rabbitmq.start(wipe=True)
    # It should make its queues again, and the consumers that are there should take.
    rabbit_queue.publish(VIDEO_QUEUE, b"after", expires_s=300)
    assert take_when_back(consumers[1]).body == b"after"
    rabbit_queue.publish(VIDEO_QUEUE, b"after", expires_s=300)
    assert take_when_back(consumers[0]).body == b"after"
    rabbit_queue.publish(MP3_QUEUE, b"after", expires_s=300)
    assert take_when_back(rabbit_queue.consumer(MP3_QUEUE)).body == b"after"


def test_messages_outlive_a_broker_that_keeps_its_data(rabbitmq: RabbitMQServer, rabbit_queue: RabbitQueue) -> None:
    rabbit_queue.publish(VIDEO_QUEUE, b"persistent", expires_s=300)
    # Not killed: 3.10 itself loses a queue for good when it dies within seconds of the queue's second making.
    rabbitmq.stop()
    rabbitmq.start()
    assert take_when_back(rabbit_queue.consumer(VIDEO_QUEUE)).body == b"persistent"


def test_a_waiting_consumer_survives_the_loss_of_its_queue(
    rabbitmq: RabbitMQServer, rabbit_queue: RabbitQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Now and then the broker does not tell the consumer: see `_RENEW_AFTER_S`.
    monkeypatch.setattr(subscription_module, "_RENEW_AFTER_S", 2)
    consumer = rabbit_queue.consumer(VIDEO_QUEUE)
    assert consumer.take(NOTHING_S) is None
    taken: list[Message | None] = []
    waiting = threading.Thread(target=lambda: taken.append(consumer.take(60)))
    waiting.start()
    rabbitmq.clear()
    rabbit_queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    waiting.join(60)
    assert [message and message.body for message in taken] == [b"x"]


def test_a_consumer_that_vanished_without_a_word_subscribes_again(
    rabbit_queue: RabbitQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "_RENEW_AFTER_S", 1)
    consumer = rabbit_queue.consumer(VIDEO_QUEUE)
    assert consumer.take(NOTHING_S) is None

    async def lose_deliveries() -> None:
        subscription = consumer._subscription
        assert subscription is not None
        assert subscription._tag is not None
        await subscription._queue.cancel(subscription._tag)

    rabbit_queue.run(lose_deliveries())
    rabbit_queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    assert take(consumer).body == b"x"


def test_one_of_many_consumers_is_not_disturbed_by_the_end_of_another(rabbit_queue: RabbitQueue) -> None:
    first, second = rabbit_queue.consumer(VIDEO_QUEUE), rabbit_queue.consumer(VIDEO_QUEUE)
    rabbit_queue.publish(VIDEO_QUEUE, b"1", expires_s=300)
    held = take(first)
    assert second.take(NOTHING_S) is None
    second.close()
    held.ack()
    rabbit_queue.publish(VIDEO_QUEUE, b"2", expires_s=300)
    assert take(first).body == b"2"


def test_who_waits_while_the_connection_closes_gets_an_error_of_the_broker(rabbit_queue: RabbitQueue) -> None:
    """The library raises a bare Exception where it closes without a reason, as its reader does at the end."""

    async def action(opened: Opened) -> None:
        assert opened.connection.transport is not None
        connection = opened.connection.transport.connection
        waiting = connection.create_future()
        await connection.close(None)
        await waiting

    with pytest.raises(BROKER_ERRORS):
        rabbit_queue.run(rabbit_queue.broker.attempt(action))


def test_two_processes_share_the_queues(rabbitmq: RabbitMQServer, rabbit_queue: RabbitQueue) -> None:
    other = RabbitQueue(rabbitmq.url)
    try:
        for number in range(2):
            rabbit_queue.publish(VIDEO_QUEUE, str(number).encode(), expires_s=300)
        consumer = rabbit_queue.consumer(VIDEO_QUEUE)
        held = [take(consumer), take(other.consumer(VIDEO_QUEUE))]
        assert {message.body for message in held} == {b"0", b"1"}
        # What the other held should come back when it ends.
        other.close()
        held[0].ack()
        assert take(consumer).body == held[1].body
    finally:
        other.close()


def test_garbage_ends_in_the_dead_letter_queue_and_expired_messages_do_not(
    rabbitmq: RabbitMQServer, rabbit_queue: RabbitQueue
) -> None:
    rabbit_queue.publish(VIDEO_QUEUE, b"expired", expires_s=0.1)
    wait_until(lambda: rabbit_queue.depth(VIDEO_QUEUE) == 0, SOON_S, "the message to expire")
    rabbit_queue.publish(VIDEO_QUEUE, b"\xff not JSON", expires_s=300)
    take(rabbit_queue.consumer(VIDEO_QUEUE)).dead_letter()

    async def bodies(channel: AbstractChannel) -> list[bytes]:
        dead = await channel.declare_queue("video.dead", passive=True)
        found = []
        while message := await dead.get(fail=False):
            found.append(message.body)
        return found

    assert on_channel(rabbitmq, bodies) == [b"\xff not JSON"]
    assert rabbit_queue.depth(VIDEO_QUEUE) == 0


def test_messages_are_as_the_contract_says(rabbitmq: RabbitMQServer, rabbit_queue: RabbitQueue) -> None:
    body = json.dumps({"job_id": "1"}).encode()
    rabbit_queue.publish(VIDEO_QUEUE, body, expires_s=300)

    async def properties(channel: AbstractChannel) -> tuple[object, ...]:
        queue = await channel.declare_queue("video", durable=True, arguments={"x-queue-type": "quorum"})
        message = await queue.get()
        await message.ack()
        return message.exchange, message.routing_key, message.delivery_mode, message.properties.expiration

    assert on_channel(rabbitmq, properties) == ("", "video", aio_pika.DeliveryMode.PERSISTENT, "300000")


def test_a_blocked_broker_is_unavailable_within_its_deadline_and_acks_still_work(
    rabbitmq: RabbitMQServer, rabbit_queue: RabbitQueue
) -> None:
    rabbit_queue.publish(VIDEO_QUEUE, b"before", expires_s=300)
    consumer = rabbit_queue.consumer(VIDEO_QUEUE)
    rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        for _ in range(2):
            started_s = time.monotonic()
            with pytest.raises(QueueUnavailable, match="did not answer in time"):
                rabbit_queue.publish(VIDEO_QUEUE, b"blocked", expires_s=300)
            assert time.monotonic() - started_s < 4
        message = take(consumer)
        assert message.body == b"before"
        message.ack()
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")

    def publishes() -> bool:
        try:
            rabbit_queue.publish(VIDEO_QUEUE, b"after", expires_s=300)
        except QueueUnavailable:
            return False
        return True

    wait_until(publishes, 30, "the broker to take messages again")


def test_check_says_what_is_wrong_and_never_the_password(rabbitmq: RabbitMQServer) -> None:
    address, nobody = f"127.0.0.1:{rabbitmq.port}", f"127.0.0.1:{free_port()}"
    wrong = {
        f"amqp://guest:s3cret@{address}/": "rejects the user name or the password",
        f"amqp://guest:guest@{address}/nonesuch": "no virtual host `nonesuch`",
        f"amqp://guest:s3cret@{nobody}/": f"{nobody} cannot be reached",
        "amqp://guest:s3cret@nobody.invalid/": "nobody.invalid:5672 cannot be reached",
        f"amqps://guest:s3cret@{address}/": "cannot be reached",
    }
    for url, sentence in wrong.items():
        queue = RabbitQueue(url)
        try:
            with pytest.raises(QueueUnavailable, match=sentence) as caught:
                queue.check()
        finally:
            queue.close()
        assert "s3cret" not in str(caught.value)
    right = RabbitQueue(rabbitmq.url)
    right.check()
    right.close()


def test_check_names_a_queue_of_another_kind(rabbitmq: RabbitMQServer, rabbit_queue: RabbitQueue) -> None:
    on_channel(rabbitmq, lambda channel: channel.declare_queue(VIDEO_QUEUE, durable=True))
    with pytest.raises(QueueUnavailable, match="another kind named video"):
        rabbit_queue.check()
    rabbitmq.clear()
    rabbit_queue.check()


def test_a_broker_that_is_silent_does_not_hold_anybody_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        queue = RabbitQueue(f"amqp://guest:guest@127.0.0.1:{silent.getsockname()[1]}/")
        started_s = time.monotonic()
        with pytest.raises(QueueUnavailable, match="in time"):
            queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
        assert time.monotonic() - started_s < 4
        queue.close()


@pytest.mark.parametrize("url", ["amqp://", "http://host/", "amqp://user:s3cret@host:port/", "s3cret"])
def test_a_wrong_url_is_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="VIDEO2MP3_QUEUE_URL") as caught:
        RabbitQueue(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None
