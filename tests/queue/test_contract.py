"""What every queue does, in memory and in RabbitMQ."""

import threading
import time
from collections.abc import Callable

import pytest

from tests.servers import wait_until
from video2mp3.errors import QueueUnavailable
from video2mp3.queue import MP3_QUEUE, VIDEO_QUEUE, Consumer, Message, Queue

# Long enough for a slow machine; only tests of "nothing comes" wait for all of a time.
SOON_S = 10
NOTHING_S = 0.5


def take(consumer: Consumer) -> Message:
    message = consumer.take(SOON_S)
    assert message is not None
    return message


def test_a_message_comes_out_as_it_went_in(queue: Queue) -> None:
    body = b'{"job_id": "1", "username": "J\xc3\xbcrgen"}'
    queue.publish(VIDEO_QUEUE, body, expires_s=300)
    message = take(queue.consumer(VIDEO_QUEUE))
    assert message.body == body
    message.ack()


def test_a_message_keeps_its_headers(queue: Queue) -> None:
    queue.publish(VIDEO_QUEUE, b"with", expires_s=300, headers={"traceparent": "00-1-2-01"})
    queue.publish(VIDEO_QUEUE, b"without", expires_s=300)
    consumer = queue.consumer(VIDEO_QUEUE)
    for headers in ({"traceparent": "00-1-2-01"}, {}):
        message = take(consumer)
        assert dict(message.headers) == headers
        message.ack()


def test_messages_come_in_order_and_the_two_queues_are_apart(queue: Queue) -> None:
    for number in range(5):
        queue.publish(VIDEO_QUEUE, f"video {number}".encode(), expires_s=300)
        queue.publish(MP3_QUEUE, f"mp3 {number}".encode(), expires_s=300)
    for name in (VIDEO_QUEUE, MP3_QUEUE):
        consumer = queue.consumer(name)
        for number in range(5):
            message = take(consumer)
            assert message.body == f"{name} {number}".encode()
            message.ack()


def test_take_wakes_up_when_a_message_comes(queue: Queue) -> None:
    consumer = queue.consumer(VIDEO_QUEUE)
    assert consumer.take(NOTHING_S) is None
    publisher = threading.Timer(0.3, queue.publish, (VIDEO_QUEUE, b"late", 300))
    publisher.start()
    started_s = time.monotonic()
    assert take(consumer).body == b"late"
    assert time.monotonic() - started_s < SOON_S / 2
    publisher.join()


def test_a_consumer_holds_one_message_at_a_time(queue: Queue) -> None:
    queue.publish(VIDEO_QUEUE, b"first", expires_s=300)
    queue.publish(VIDEO_QUEUE, b"second", expires_s=300)
    consumer = queue.consumer(VIDEO_QUEUE)
    first = take(consumer)
    assert consumer.take(NOTHING_S) is None
    first.ack()
    assert take(consumer).body == b"second"


def test_several_consumers_share_a_queue(queue: Queue) -> None:
    for number in range(6):
        queue.publish(VIDEO_QUEUE, str(number).encode(), expires_s=300)
    consumers = [queue.consumer(VIDEO_QUEUE) for _ in range(3)]
    bodies = []
    for _ in range(2):
        held = [take(consumer) for consumer in consumers]
        for message in held:
            bodies.append(int(message.body))
            message.ack()
    assert sorted(bodies) == list(range(6))


def test_depth_counts_the_messages_that_wait(queue: Queue) -> None:
    assert queue.depth(VIDEO_QUEUE) == 0
    for _ in range(3):
        queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    wait_until(lambda: queue.depth(VIDEO_QUEUE) == 3, SOON_S, "three messages to be counted")
    message = take(queue.consumer(VIDEO_QUEUE))
    wait_until(lambda: queue.depth(VIDEO_QUEUE) == 2, SOON_S, "two messages to be left")
    message.ack()
    assert queue.depth(MP3_QUEUE) == 0


def test_it_tells_once_that_its_queues_were_made(queue: Queue) -> None:
    """It should say so where messages of an earlier process, or of a broker with its data, are lost."""
    queue.check()
    assert [queue.lost_messages(), queue.lost_messages()] == [True, False]
    queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    assert not queue.lost_messages()


def test_stop_before_the_ack_hands_nothing_more(queue: Queue) -> None:
    queue.publish(VIDEO_QUEUE, b"first", expires_s=300)
    queue.publish(VIDEO_QUEUE, b"second", expires_s=300)
    busy = queue.consumer(VIDEO_QUEUE)
    first = take(busy)
    busy.stop()
    first.ack()
    # It should be free for another consumer, and the first message should be gone for good.
    other = queue.consumer(VIDEO_QUEUE)
    second = take(other)
    assert second.body == b"second"
    second.ack()
    assert queue.depth(VIDEO_QUEUE) == 0
    # It should take again when asked to.
    queue.publish(VIDEO_QUEUE, b"third", expires_s=300)
    other.close()
    assert take(busy).body == b"third"


def test_stop_gives_back_what_came_and_was_not_taken(queue: Queue) -> None:
    idle = queue.consumer(VIDEO_QUEUE)
    assert idle.take(NOTHING_S) is None
    queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    idle.stop()
    assert take(queue.consumer(VIDEO_QUEUE)).body == b"x"


def test_what_a_closed_consumer_held_goes_to_another(queue: Queue) -> None:
    queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    first = queue.consumer(VIDEO_QUEUE)
    late = take(first)
    first.close()
    second = take(queue.consumer(VIDEO_QUEUE))
    assert second.body == b"x"
    # An ack that comes too late should do nothing.
    late.ack()
    late.dead_letter()
    second.ack()
    assert queue.depth(VIDEO_QUEUE) == 0
    with pytest.raises(QueueUnavailable):
        first.take(NOTHING_S)


@pytest.mark.parametrize("after_s", [0.02, NOTHING_S], ids=["subscribing", "waiting"])
@pytest.mark.parametrize("end", ["consumer", "queue"])
def test_closing_wakes_up_who_waits(queue: Queue, end: str, after_s: float) -> None:
    """It should end a wait that has only begun too: until a busy broker has subscribed it, seconds may pass."""
    consumer = queue.consumer(VIDEO_QUEUE)
    ended = threading.Event()

    def wait() -> None:
        try:
            consumer.take(120)
        except QueueUnavailable:
            pass
        finally:
            ended.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert not ended.wait(after_s)
    close: Callable[[], None] = consumer.close if end == "consumer" else queue.close
    close()
    assert ended.wait(SOON_S)
    waiting.join()


def test_a_message_expires(queue: Queue) -> None:
    queue.publish(VIDEO_QUEUE, b"old", expires_s=0.2)
    wait_until(lambda: queue.depth(VIDEO_QUEUE) == 0, SOON_S, "the message to expire")
    queue.publish(VIDEO_QUEUE, b"new", expires_s=300)
    consumer = queue.consumer(VIDEO_QUEUE)
    message = take(consumer)
    assert message.body == b"new"
    message.ack()
    assert consumer.take(NOTHING_S) is None


def test_an_unusable_message_is_put_aside(queue: Queue) -> None:
    queue.publish(VIDEO_QUEUE, b"\xff not JSON", expires_s=300)
    consumer = queue.consumer(VIDEO_QUEUE)
    take(consumer).dead_letter()
    assert consumer.take(NOTHING_S) is None
    queue.publish(VIDEO_QUEUE, b"good", expires_s=300)
    assert take(consumer).body == b"good"


def test_a_queue_that_does_not_exist_is_unavailable(queue: Queue) -> None:
    queue.check()
    with pytest.raises(QueueUnavailable):
        queue.publish("nonesuch", b"x", expires_s=300)
    with pytest.raises(QueueUnavailable):
        queue.depth("nonesuch")
    with pytest.raises(QueueUnavailable):
        queue.consumer("nonesuch")
    # That should not disturb what does exist.
    queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    assert take(queue.consumer(VIDEO_QUEUE)).body == b"x"


def test_after_close_everything_is_unavailable(queue: Queue) -> None:
    queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    consumer = queue.consumer(VIDEO_QUEUE)
    message = take(consumer)
    queue.close()
    queue.close()
    message.ack()
    consumer.stop()
    consumer.close()
    with pytest.raises(QueueUnavailable):
        queue.publish(VIDEO_QUEUE, b"x", expires_s=300)
    with pytest.raises(QueueUnavailable):
        queue.depth(VIDEO_QUEUE)
    with pytest.raises(QueueUnavailable):
        queue.check()


def test_many_threads_use_one_queue(queue: Queue) -> None:
    received: list[bytes] = []

    def publish(first: int) -> None:
        for number in range(first, first + 25):
            queue.publish(VIDEO_QUEUE, str(number).encode(), expires_s=300)

    def consume() -> None:
        consumer = queue.consumer(VIDEO_QUEUE)
        while len(received) < 100:
            message = consumer.take(0.2)
            if message is not None:
                received.append(message.body)
                consumer.stop()
                message.ack()
        consumer.close()

    threads = [threading.Thread(target=publish, args=(first,)) for first in range(0, 100, 25)]
    threads += [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(int, received)) == list(range(100))
