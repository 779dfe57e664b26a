"""The queue inside one process, for the embedded mode. It behaves like RabbitMQ."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from video2mp3.errors import QueueUnavailable
from video2mp3.queue import QUEUE_NAMES

# The same number as in RabbitMQ.
_DEAD_LETTERS_KEPT = 10_000


@dataclass(frozen=True)
class _Entry:
    body: bytes
    expires_at_s: float
    headers: Mapping[str, str]


@dataclass
class _QueueState:
    """The messages of one queue."""

    waiting: deque[_Entry] = field(default_factory=deque)
    dead: deque[bytes] = field(default_factory=lambda: deque(maxlen=_DEAD_LETTERS_KEPT))

    def expire(self) -> None:
        now_s = time.monotonic()
        if any(entry.expires_at_s <= now_s for entry in self.waiting):
            self.waiting = deque(entry for entry in self.waiting if entry.expires_at_s > now_s)


class MemoryQueue:
    """Both queues, in memory."""

    durable = False

    def __init__(self) -> None:
        self._queues = {name: _QueueState() for name in QUEUE_NAMES}
        # Guards all state, including that of consumers and messages; notified at every change.
        self.changed = threading.Condition()
        self.closed = False
        self._is_new = True

    def publish(self, queue: str, body: bytes, expires_s: float, headers: Mapping[str, str] | None = None) -> None:
        """See `Queue`."""
        with self.changed:
            self.state_of(queue).waiting.append(_Entry(body, time.monotonic() + expires_s, headers or {}))
            self.changed.notify_all()

    def lost_messages(self) -> bool:
        """See `Queue`. The messages of the process before this one are lost."""
        is_new, self._is_new = self._is_new, False
        return is_new

    def depth(self, queue: str) -> int:
        """See `Queue`."""
        with self.changed:
            state = self.state_of(queue)
            state.expire()
            return len(state.waiting)

    def consumer(self, queue: str) -> "MemoryConsumer":
        """See `Queue`."""
        with self.changed:
            return MemoryConsumer(self, self.state_of(queue))

    def check(self) -> None:
        """See `Queue`."""
        with self.changed:
            self.state_of(QUEUE_NAMES[0])

    def close(self) -> None:
        """See `Queue`."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def state_of(self, queue: str) -> _QueueState:
        """Returns the messages of a queue. The caller holds `changed`."""
        if self.closed:
            raise QueueUnavailable("The queue is closed.")
        if queue not in self._queues:
            raise QueueUnavailable(f"There is no queue `{queue}`.")
        return self._queues[queue]


class MemoryMessage:
    """See `Message`."""

    def __init__(self, consumer: "MemoryConsumer", entry: _Entry) -> None:
        self.body = entry.body
        self.headers = entry.headers
        self._consumer = consumer
        self._entry = entry

    def ack(self) -> None:
        """See `Message`."""
        self._consumer.finish(self._entry, dead=False)

    def dead_letter(self) -> None:
        """See `Message`."""
        self._consumer.finish(self._entry, dead=True)


class MemoryConsumer:
    """See `Consumer`. Nothing is handed to it but by `take`, so there is nothing to stop."""

    def __init__(self, queue: MemoryQueue, line: _QueueState) -> None:
        self._queue = queue
        self._state = line
        self._held: _Entry | None = None
        self._closed = False

    def take(self, timeout_s: float) -> MemoryMessage | None:
        """See `Consumer`. One that is closed meanwhile returns None; one that was closed before raises."""
        with self._queue.changed:
            if self._closed or self._queue.closed:
                raise QueueUnavailable("The consumer is closed.")
            self._queue.changed.wait_for(self._can_take, timeout_s)
            if self._held is not None or self._closed or not self._state.waiting:
                return None
            self._held = self._state.waiting.popleft()
            return MemoryMessage(self, self._held)

    def _can_take(self) -> bool:
        self._state.expire()
        free = self._held is None and bool(self._state.waiting)
        return free or self._closed or self._queue.closed

    def finish(self, entry: _Entry, *, dead: bool) -> None:
        """Forgets the message, once."""
        with self._queue.changed:
            if self._held is not entry:
                return
            self._held = None
            if dead:
                self._state.dead.append(entry.body)
            self._queue.changed.notify_all()

    def stop(self) -> None:
        """See `Consumer`."""

    def close(self) -> None:
        """See `Consumer`."""
        with self._queue.changed:
            self._closed = True
            if self._held is not None:
                self._state.waiting.appendleft(self._held)
                self._held = None
            self._queue.changed.notify_all()
