"""A thread that takes messages from a queue and works on one at a time."""

import threading
from collections.abc import Callable

import structlog

from video2mp3.errors import Unavailable
from video2mp3.jobs import messages
from video2mp3.queue import Consumer, Message, Queue
from video2mp3.telemetry import tracing

log = structlog.get_logger()

# How soon a stop is noticed.
_TAKE_S = 1.0
_PAUSE_S = 2.0

Work = Callable[[], None]
Claim = Callable[[str, str | None], Work | None]


class ConsumerThread(threading.Thread):
    """Takes a message, claims what it names, acknowledges it, then does the work; until `stopping` is set.

    Nothing is ever held unacknowledged while work goes on, and the consumer is stopped before the ack that lets the
    broker send more. It outlives outages and whatever the work does.
    """

    def __init__(self, name: str, queue: Queue, queue_name: str, claim: Claim, stopping: threading.Event) -> None:
        """Prepares the thread.

        Args:
            name: Of the thread, for logs.
            queue: The broker.
            queue_name: What to consume.
            claim: Claims what a job's id names and returns the work to do; None when there is nothing to do, as
                another has it. Is given the `traceparent` of the message too, None where it has none. May raise
                Unavailable: the relay will announce it again.
            stopping: Ends the thread when the work at hand is done.
        """
        super().__init__(name=name, daemon=True)
        self._queue = queue
        self._queue_name = queue_name
        self._claim = claim
        self._stopping = stopping
        self._interrupted = False

    def run(self) -> None:
        """See the class."""
        consumer: Consumer | None = None
        while not self._stopping.is_set():
            try:
                consumer = consumer or self._queue.consumer(self._queue_name)
                message = consumer.take(_TAKE_S)
                self._note_recovery()
                # One that comes too late is not acknowledged: it goes to another consumer.
                if message is not None and not self._stopping.is_set():
                    self._take_up(consumer, message)
            except Unavailable as error:
                self._note_outage(error)
                self._stopping.wait(_PAUSE_S)
            except Exception:
                log.exception("consumer_failed", consumer=self.name)
                self._stopping.wait(_PAUSE_S)
        if consumer is not None:
            consumer.close()

    # Not `_handle`: from Python 3.13 on that is an attribute of Thread's own.
    def _take_up(self, consumer: Consumer, message: Message) -> None:
        job_id = messages.job_id_of(message.body)
        if job_id is None:
            log.warning("message_unusable", queue=self._queue_name, size_bytes=len(message.body))
            message.dead_letter()
            return
        work = None
        try:
            work = self._claim(job_id, tracing.parse(message.headers.get(tracing.HEADER)))
            if work is not None:
                consumer.stop()
        finally:
            message.ack()
        if work is not None:
            work()

    def _note_outage(self, error: Unavailable) -> None:
        if not self._interrupted:
            log.warning("consumer_interrupted", consumer=self.name, error=error.code, detail=error.detail)
        self._interrupted = True

    def _note_recovery(self) -> None:
        if self._interrupted:
            log.info("consumer_recovered", consumer=self.name)
        self._interrupted = False
