"""A loop that takes messages from a queue and works on one at a time."""

import threading
from collections.abc import Callable

import structlog

from video2mp3.jobs import messages
from video2mp3.queue import Consumer, Message, Queue
from video2mp3.supervision import Loop
from video2mp3.telemetry import tracing

log = structlog.get_logger()

# Longest delay before a stop is noticed. Each take costs half a millisecond.
_TAKE_S = 0.2
# The broker's own deadlines are shorter.
_STALL_AFTER_S = 30.0

Work = Callable[[], None]
Claim = Callable[[str, str | None], Work | None]


class ConsumerThread(Loop):
    """Takes a message, claims what it names, acknowledges it, then does the work; until `stopping` is set.

    No message is unacknowledged during the work, and the consumer stops before the acknowledgment that lets the broker
    send more. The loop survives outages and any error of the work.
    """

    def __init__(
        self, name: str, queue: Queue, queue_name: str, claim: Claim, stopping: threading.Event, *, work_limit_s: float
    ) -> None:
        """Prepares the loop.

        Args:
            name: Of the loop and its thread.
            queue: The broker.
            queue_name: What to consume.
            claim: Claims the row for a job's id and returns the work; None if there is none, as when another process
                has claimed it. Also gets the message's `traceparent`, or None. May raise Unavailable: the relay will
                announce the row again.
            stopping: Ends the loop after the current work.
            work_limit_s: Longest time for the work; after that the loop counts as stalled.
        """
        super().__init__(name, self._take_next, stall_after_s=_STALL_AFTER_S, stopping=stopping, on_end=self._close)
        self._queue = queue
        self._queue_name = queue_name
        self._claim = claim
        self._work_limit_s = work_limit_s
        self._consumer: Consumer | None = None

    def _take_next(self) -> None:
        with self.step():
            self._consumer = self._consumer or self._queue.consumer(self._queue_name)
            message = self._consumer.take(_TAKE_S)
            # A message that arrives during a stop is not acknowledged: it goes to another consumer.
            if message is not None and not self._stopping.is_set():
                self._handle(self._consumer, message)
        self._renew_after_failure()

    def _renew_after_failure(self) -> None:
        """Closes the consumer after a failure: an unacknowledged message would block the next one."""
        if self._step_failed:
            self._close()

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _handle(self, consumer: Consumer, message: Message) -> None:
        job_id = messages.job_id_of(message.body)
        if job_id is None:
            log.warning("message_invalid", queue=self._queue_name, size_bytes=len(message.body))
            message.dead_letter()
            return
        work = None
        # Claimed work has to be done, even if the acknowledgment fails.
        with self.step():
            work = self._claim(job_id, tracing.parse(message.headers.get(tracing.HEADER)))
            if work is not None:
                consumer.stop()
        with self.step():
            message.ack()
        self._renew_after_failure()
        if work is not None:
            with self.busy(self._work_limit_s):
                work()
