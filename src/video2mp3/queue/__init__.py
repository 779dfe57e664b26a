"""The queue: delivers each message to one consumer. Messages are hints; the database decides (see ARCHITECTURE.md)."""

from collections.abc import Mapping
from typing import Protocol

VIDEO_QUEUE = "video"
"""Jobs to convert, for workers."""
MP3_QUEUE = "mp3"
"""Ended jobs, for the notifier."""
QUEUE_NAMES = (VIDEO_QUEUE, MP3_QUEUE)


class Message(Protocol):
    """One delivery of one message."""

    body: bytes
    headers: Mapping[str, str]
    """The text headers as they were published. Untrusted."""

    def ack(self) -> None:
        """Acknowledges the message. Never raises: a lost ack only causes a duplicate."""

    def dead_letter(self) -> None:
        """Moves the message to the dead-letter queue. Never raises."""


class Consumer(Protocol):
    """One consumer of one queue: holds at most one unacknowledged message."""

    def take(self, timeout_s: float) -> Message | None:
        """Waits up to `timeout_s` seconds for a message; starts consuming if it was stopped.

        Returns None after the timeout. Raises QueueUnavailable when the broker does not answer.
        """

    def stop(self) -> None:
        """Stops consuming, so that the queue delivers nothing to this consumer until the next `take`.

        Call it before the ack, so that a busy slot never holds a message. Never raises.
        """

    def close(self) -> None:
        """Stops consuming for good; an unacknowledged message goes to another consumer."""


class Queue(Protocol):
    """A message broker. Thread-safe."""

    durable: bool
    """False if the messages are lost with this process."""

    def publish(self, queue: str, body: bytes, expires_s: float, headers: Mapping[str, str] | None = None) -> None:
        """Publishes a persistent message and returns when the broker has confirmed it.

        Raises QueueUnavailable when the broker does not confirm within 2 s, or when the queue does not exist.
        """

    def lost_messages(self) -> bool:
        """Returns whether queues were declared again since the last call, so that their messages were lost."""

    def depth(self, queue: str) -> int:
        """Returns the number of messages that are ready for a consumer."""

    def consumer(self, queue: str) -> Consumer:
        """Creates a consumer of `queue`; consumers share the messages."""

    def check(self) -> None:
        """Raises QueueUnavailable, naming what failed, when the broker does not answer."""

    def close(self) -> None:
        """Closes the connection; consumers end."""
