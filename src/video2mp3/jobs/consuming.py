"""A loop that takes messages from a queue and works on one at a time."""

import threading
from collections.abc import Callable

import structlog

from video2mp3.jobs import messages
from video2mp3.queue import Consumer, Message, Queue
from video2mp3.supervision import Loop
from video2mp3.telemetry import tracing

log = structlog.get_logger()

# How soon a stop is noticed: a service that has nothing to do ends at once. Each take costs half a millisecond.
_TAKE_S = 0.2
# The broker's own deadlines are shorter.
_STALL_AFTER_S = 30.0

Work = Callable[[], None]
Claim = Callable[[str, str | None], Work | None]


class ConsumerThread(Loop):
    """Takes a message, claims what it names, acknowledges it, then does the work; until `stopping` is set.

    Nothing is ever held unacknowledged while work goes on, and the consumer is stopped before the ack that lets the
    broker send more. It outlives outages and whatever the work does.
    """

    def __init__(
        self,
        name: str,
        queue: Queue,
        queue_name: str,
        claim: Claim,
        stopping: threading.Event,
        *,
        work_limit_s: float,
    ) -> None:
        """Prepares the loop.

        Args:
            name: Of the loop and its thread.
            queue: The broker.
            queue_name: What to consume.
            claim: Claims what a job's id names and returns the work to do; None when there is nothing to do, as
                another has it. Is given the `traceparent` of the message too, None where it has none. May raise
                Unavailable: the relay will announce it again.
            stopping: Ends the loop when the work at hand is done.
            work_limit_s: The longest that the work may take; after that the loop counts as stalled.
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
            # One that comes too late is not acknowledged: it goes to another consumer.
            if message is not None and not self._stopping.is_set():
                self._handle(self._consumer, message)
        self._renew_after_failure()

    def _renew_after_failure(self) -> None:
        """Gives up a consumer after a failure: what it still holds would keep it from taking another message."""
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
        # What was claimed has to be worked on, whatever fails before.
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
