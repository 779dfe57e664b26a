"""Reads what stands in a queue."""

import json
from typing import Any

from video2mp3.queue import VIDEO_QUEUE, Queue


def take_all(queue: Queue, name: str = VIDEO_QUEUE) -> list[dict[str, Any]]:
    """Takes and acknowledges all messages."""
    consumer = queue.consumer(name)
    bodies = []
    while message := consumer.take(timeout_s=1 if queue.durable else 0.01):
        bodies.append(json.loads(message.body))
        message.ack()
    consumer.close()
    return bodies
