"""The queue: hands each message to one of the consumers. It is a hint, never the truth (see ARCHITECTURE.md)."""

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
    """Those that are text, as they were published: nobody has checked them."""

    def ack(self) -> None:
        """Tells the queue that the message is done with. Never raises: an ack that is lost is a duplicate."""

    def dead_letter(self) -> None:
        """Puts the message aside as unusable. Never raises."""


class Consumer(Protocol):
    """One consumer of one queue: holds at most one unacknowledged message."""

    def take(self, timeout_s: float) -> Message | None:
        """Waits up to `timeout_s` seconds for a message; starts consuming if it was stopped.

        Returns None when none came. Raises QueueUnavailable when the broker is out of reach.
        """

    def stop(self) -> None:
        """Stops consuming, so that nothing more is handed to this consumer until the next `take`.

        Called before the ack of the message that fills the last slot: nothing is ever held while busy.
        Never raises.
        """

    def close(self) -> None:
        """Stops consuming for good; what was handed out and not acknowledged goes to another consumer."""


class Queue(Protocol):
    """A message broker. Safe to use from several threads."""

    durable: bool
    """False when the messages end with this process."""

    def publish(self, queue: str, body: bytes, expires_s: float, headers: Mapping[str, str] | None = None) -> None:
        """Publishes a persistent message and returns when the broker has confirmed it.

        Raises QueueUnavailable when no confirm came within 2 s, or when the queue does not exist.
        """

    def lost_messages(self) -> bool:
        """Tells whether the queues had to be made since this was last asked: what was in them before is lost."""

    def depth(self, queue: str) -> int:
        """Returns the number of messages that wait for a consumer."""

    def consumer(self, queue: str) -> Consumer:
        """Makes a new consumer of `queue`; any number of them share a queue."""

    def check(self) -> None:
        """Raises QueueUnavailable, naming what failed, when the broker does not answer."""

    def close(self) -> None:
        """Closes the connection; consumers end."""
