"""The notifier: informs owners and webhooks how jobs ended."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from video2mp3.accounts import links as accounts_links
from video2mp3.database.clock import SECOND
from video2mp3.database.connection import Database
from video2mp3.database.retrying import commit_with_retry
from video2mp3.database.tables import Batch, Job, User, Webhook
from video2mp3.errors import EmailRejected, Unavailable, Unreachable, UrlRejected
from video2mp3.jobs import batches
from video2mp3.jobs.consuming import ConsumerThread, Work
from video2mp3.notify.account_emails import AccountEmails
from video2mp3.notify.composing import Links, compose
from video2mp3.notify.event_loop import EventLoop, in_thread
from video2mp3.notify.smtp import Mailer, address_of
from video2mp3.notify.webhook import batch_message, deliver, message
from video2mp3.outbound import Guard
from video2mp3.outbox import notifications
from video2mp3.outbox.fair_window import EMAIL, WEBHOOKS, UnderWay
from video2mp3.outbox.notifications import GONE, ClaimedNotification, Outcome
from video2mp3.outbox.webhooks import Receiver
from video2mp3.queue import MP3_QUEUE, Queue
from video2mp3.supervision import Loop
from video2mp3.telemetry import metrics, tracing

log = structlog.get_logger()

_STOP_S = 30.0
_STOP_EVENTS_S = 3.0
# A lookup blocks a thread until the system's resolver gives up. One user has at most as many lookups as deliveries.
_LOOKUPS = 8 * WEBHOOKS.per_user
_ROW_THREADS = 4


class _NoRoom(Exception):
    """This notifier sends as many notifications as it may."""


class NotifierLoop:
    """Takes notifications from the queue `mp3`, and sends them by email or to webhooks, until `stop`.

    Deliveries to webhooks only wait: all of them are coroutines of one event loop. Email goes to one server, in a few
    separate threads. Of both no more are under way than `fair_window` says. Emails with one-time tokens
    are sent as well.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        *,
        mailer: Mailer | None,
        guard: Guard,
        public_url: str,
        wake: Callable[[], None],
    ) -> None:
        """Prepares the threads.

        Args:
            database: The rows that are the truth.
            queue: Hands out the notifications.
            mailer: None: no email is sent, and each notification is one line in the log.
            guard: Says where webhooks may lead.
            public_url: How users reach the service, without a slash at the end.
            wake: Wakes the relay because there is room for more.
        """
        self._database = database
        self._mailer = mailer
        self._guard = guard
        self._public_url = public_url
        self._wake = wake
        self._stopping = threading.Event()
        # One thread: it only claims and hands over, and only it adds to what is under way.
        consumer = ConsumerThread("notifier-1", queue, MP3_QUEUE, self._claim, self._stopping, work_limit_s=_STOP_S)
        self._loops: list[Loop] = [consumer]
        if mailer is not None:
            self._loops.append(AccountEmails(database, mailer, public_url, self._stopping))
        self._events = EventLoop("deliveries")
        self._email_threads = ThreadPoolExecutor(EMAIL.total, "email")
        self._lookup_threads = ThreadPoolExecutor(_LOOKUPS, "lookup")
        self._row_threads = ThreadPoolExecutor(_ROW_THREADS, "delivery-rows")
        self._lock = threading.Lock()
        self._under_way = {"email": UnderWay(EMAIL), "webhooks": UnderWay(WEBHOOKS)}
        self._futures: set[Future[None]] = set()

    def start(self) -> None:
        """Starts the loops and returns."""
        self._events.start()
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Ends the loops; what is being sent is finished first, within 30 seconds."""
        deadline_s = time.monotonic() + _STOP_S
        for loop in self._loops:
            loop.stop()
        for loop in self._loops:
            loop.join(max(0.0, deadline_s - time.monotonic()))
        wait(set(self._futures), max(0.0, deadline_s - time.monotonic()))
        self._events.stop()
        self._events.join(_STOP_EVENTS_S)
        for pool in (self._email_threads, self._lookup_threads, self._row_threads):
            pool.shutdown(wait=False, cancel_futures=True)

    def _claim(self, job_id: str, traceparent: str | None) -> Work | None:
        """Claims a notification. It is handed over when its message is acknowledged, and no thread waits for its end.

        One that there is no room for stays as it was: it is announced again in a minute, perhaps to another notifier.
        """
        try:
            with self._database.write() as session:
                claimed = notifications.claim(session, job_id)
                self._check_capacity(claimed)
        except _NoRoom:
            return None
        if claimed is None:
            return None
        return partial(self._hand_over, claimed, tracing.nearest(traceparent, claimed.traceparent))

    def _hand_over(self, claimed: ClaimedNotification, parent: str | None) -> None:
        self._count(claimed, 1)
        try:
            if claimed.kind == "email":
                future = self._email_threads.submit(self._send_email, claimed, parent)
            else:
                future = self._events.submit(self._send_webhook(claimed, parent))
        except BaseException:
            # Otherwise its place would stay taken. Its lease expires, and it is retried.
            self._count(claimed, -1)
            raise
        self._futures.add(future)
        future.add_done_callback(self._note_end)

    def _check_capacity(self, claimed: ClaimedNotification | None) -> None:
        with self._lock:
            if claimed and not self._under_way[_line(claimed)].has_room(claimed.user_id, claimed.destination):
                raise _NoRoom

    def _count(self, claimed: ClaimedNotification, number: int) -> None:
        with self._lock:
            self._under_way[_line(claimed)].add(claimed.user_id, claimed.destination, number)

    def _note_end(self, future: "Future[None]") -> None:
        self._futures.discard(future)
        if not future.cancelled() and (error := future.exception()):
            # Its lease expires, and it is retried.
            log.error("notification_dropped", exc_info=error)

    def _send_email(self, claimed: ClaimedNotification, traceparent: str | None) -> None:
        with _traced(claimed, traceparent):
            try:
                outcome = self._email(claimed)
            except Exception as error:
                outcome = _outcome_of(error, claimed)
            self._end(claimed, outcome)

    async def _send_webhook(self, claimed: ClaimedNotification, traceparent: str | None) -> None:
        with _traced(claimed, traceparent):
            try:
                outcome = await self._deliver(claimed)
            except Exception as error:
                outcome = _outcome_of(error, claimed)
            await in_thread(self._row_threads, self._end, claimed, outcome)

    def _end(self, claimed: ClaimedNotification, outcome: Outcome) -> None:
        metrics.NOTIFICATIONS.labels(outcome.end).inc()
        try:
            if commit_with_retry(self._database, lambda session: notifications.end(session, claimed, outcome)) is None:
                log.warning("notification_end_not_written", job_id=claimed.job_id)
        finally:
            # Before the relay is woken: what it announces then finds room here.
            self._count(claimed, -1)
        self._wake()

    def _email(self, claimed: ClaimedNotification) -> Outcome:
        with self._database.write() as session:
            job = session.get(Job, claimed.job_id)
            user = session.get(User, job.user_id) if job else None
            if job is None or user is None:
                return Outcome("sent")
            links = self._links(session, job)
        address = address_of(user)
        if self._mailer is None:
            log.info("email_not_configured", job_id=job.id, state=job.state)
        elif address is None:
            log.info("email_without_verified_address", job_id=job.id, state=job.state)
        elif not user.email_notifications:
            log.info("email_not_wanted", job_id=job.id, state=job.state)
        else:
            self._mailer.send(compose(job, address, links, self._mailer.message_id(claimed.row_id)))
            log.info("email_sent", job_id=job.id, state=job.state)
        return Outcome("sent")

    async def _deliver(self, claimed: ClaimedNotification) -> Outcome:
        found = await in_thread(self._row_threads, self._content, claimed)
        if found is None:
            return Outcome("failed", problem="The webhook was deleted or disabled.")
        receiver, body = found
        status = await deliver(receiver, claimed.row_id, body, guard=self._guard, resolver=self._lookup_threads)
        log.info("webhook_answered", **_facts(claimed), status=status)
        if 200 <= status < 300:
            return Outcome("sent", status)
        return Outcome("failed" if status == GONE else "retried", status, f"The receiver answered {status}.")

    def _content(self, claimed: ClaimedNotification) -> tuple[Receiver, bytes] | None:
        """Returns the receiver and the body; None if the webhook was deleted or disabled."""
        with self._database.write() as session:
            content = self._batch_content if claimed.kind == "batch" else self._job_content
            return content(session, claimed)

    def _job_content(self, session: Session, claimed: ClaimedNotification) -> tuple[Receiver, bytes] | None:
        """Does as `_content` for a job's end."""
        job = session.get(Job, claimed.job_id)
        webhook = session.get(Webhook, claimed.target)
        if job is None or webhook is None or webhook.disabled_at is not None:
            return None
        return Receiver(webhook.url, webhook.secret), message(job, self._links(session, job).result)

    def _batch_content(self, session: Session, claimed: ClaimedNotification) -> tuple[Receiver, bytes] | None:
        """Does as `_content` for a batch's end."""
        batch = session.get(Batch, claimed.target)
        if batch is None or batch.webhook_url is None or batch.webhook_secret is None:
            return None
        body = batch_message(batch, batches.jobs_of(session, batch.id))
        return Receiver(batch.webhook_url, batch.webhook_secret), body

    def _links(self, session: Session, job: Job) -> Links:
        link = accounts_links.ResultLink(job.id, (job.expires_at or 0) // SECOND, job.link_serial)
        return Links(
            result=self._public_url + accounts_links.mp3_path(accounts_links.result_token(session, link)),
            conversion=f"{self._public_url}/v1/conversions/{job.id}",
            unsubscribe=self._public_url + accounts_links.unsubscribe_path(session, job.user_id),
        )


def _line(claimed: ClaimedNotification) -> str:
    return "email" if claimed.kind == "email" else "webhooks"


@contextmanager
def _traced(claimed: ClaimedNotification, traceparent: str | None) -> Iterator[None]:
    with (
        bound_contextvars(job_id=claimed.job_id, request_id=claimed.request_id),
        tracing.span(f"process {MP3_QUEUE}", kind="consumer", parent=traceparent),
    ):
        yield


def _outcome_of(error: Exception, claimed: ClaimedNotification) -> Outcome:
    if isinstance(error, EmailRejected):
        log.warning("email_rejected", job_id=claimed.job_id, detail=error.detail)
        return Outcome("failed", problem=error.detail)
    if isinstance(error, (Unavailable, UrlRejected, Unreachable)):
        log.warning("notification_retried", **_facts(claimed), detail=error.detail)
        return Outcome("retried", problem=error.detail)
    log.error("notification_failed", **_facts(claimed), exc_info=error)
    return Outcome("retried", problem="The service failed; its log says how.")


def _facts(claimed: ClaimedNotification) -> dict[str, Any]:
    return {"job_id": claimed.job_id, "kind": claimed.kind, "target": claimed.target, "attempt": claimed.attempt}
