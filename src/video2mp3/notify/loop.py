"""The notifier: tells owners and webhooks how jobs ended."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from video2mp3.accounts import links as accounts_links
from video2mp3.database.clock import SECOND
from video2mp3.database.connection import Database
from video2mp3.database.tables import Batch, Job, User, Webhook
from video2mp3.errors import MailRefused, Unavailable, Unreachable, UrlRefused
from video2mp3.jobs import batches, notifications, webhooks
from video2mp3.jobs.consuming import ConsumerThread, Work
from video2mp3.jobs.notifications import Notice, Outcome
from video2mp3.jobs.settling import settle
from video2mp3.jobs.webhooks import Receiver
from video2mp3.notify.account_letters import AccountLetters
from video2mp3.notify.letters import Links, compose
from video2mp3.notify.mail import Mailer, address_of
from video2mp3.notify.webhook import batch_message, deliver, message
from video2mp3.outbound import Guard
from video2mp3.queue import MP3_QUEUE, Queue
from video2mp3.supervision import Loop
from video2mp3.telemetry import metrics, tracing

log = structlog.get_logger()

_STOP_S = 30.0
_WORK_LIMIT_S = 300.0
_GONE = 410
# A slow receiver of webhooks must not hold up all others.
_THREADS = 4

_End = Callable[[Session, Notice], bool]
"""Writes how an attempt went; False when the notification was lost to another."""


class NotifierLoop:
    """Takes notifications from the queue `mp3`, and mails them or tells them to webhooks, until `stop`.

    It sends the letters to account holders as well.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        *,
        mailer: Mailer | None,
        guard: Guard,
        public_url: str,
        nudge: Callable[[], None],
    ) -> None:
        """Prepares the threads.

        Args:
            database: The rows that are the truth.
            queue: Hands out the notifications.
            mailer: None: no mail is sent, and each notification is one line in the log.
            guard: Says where webhooks may lead.
            public_url: How users reach the service, without a slash at the end.
            nudge: Tells the relay that there is room for more.
        """
        self._database = database
        self._mailer = mailer
        self._guard = guard
        self._public_url = public_url
        self._nudge = nudge
        self._stopping = threading.Event()
        self._threads: list[Loop] = [
            ConsumerThread(
                f"notifier-{number}", queue, MP3_QUEUE, self._claim, self._stopping, work_limit_s=_WORK_LIMIT_S
            )
            for number in range(1, _THREADS + 1)
        ]
        if mailer is not None:
            self._threads.append(AccountLetters(database, mailer, public_url, self._stopping))

    def start(self) -> None:
        """Starts the threads and returns."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads; what is being sent is finished first, within 30 seconds."""
        self._stopping.set()
        deadline_s = time.monotonic() + _STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    def _claim(self, job_id: str, traceparent: str | None) -> Work | None:
        with self._database.write() as session:
            notice = notifications.claim(session, job_id)
        if notice is None:
            return None
        return partial(self._work, notice, tracing.nearest(traceparent, notice.traceparent))

    def _work(self, notice: Notice, traceparent: str | None) -> None:
        self._nudge()
        with (
            bound_contextvars(job_id=notice.job_id, request_id=notice.request_id),
            tracing.span(f"process {MP3_QUEUE}", kind="consumer", parent=traceparent),
        ):
            write = self._notify(notice)
            if settle(self._database, lambda session: write(session, notice)) is None:
                log.warning("notification_end_not_written", job_id=notice.job_id)

    def _notify(self, notice: Notice) -> _End:
        """Tells it; returns the function that writes how that went."""
        tell = self._mail if notice.kind == "mail" else self._deliver
        try:
            return tell(notice)
        except MailRefused as error:
            log.warning("mail_refused", job_id=notice.job_id, detail=error.detail)
            return _refused(Outcome(problem=error.detail))
        except (Unavailable, UrlRefused, Unreachable) as error:
            log.warning("notification_postponed", **_facts(notice), detail=error.detail)
            return _postponed(Outcome(problem=error.detail))
        except Exception:
            log.exception("notification_failed", **_facts(notice))
            return _postponed(Outcome(problem="The service failed; its log says how."))

    def _mail(self, notice: Notice) -> _End:
        with self._database.write() as session:
            job = session.get(Job, notice.job_id)
            user = session.get(User, job.user_id) if job else None
            if job is None or user is None:
                return _done(Outcome())
            links = self._links(session, job)
        address = address_of(user)
        if self._mailer is None:
            log.info("mail_not_configured", job_id=job.id, state=job.state)
        elif address is None:
            log.info("mail_without_address", job_id=job.id, state=job.state)
        elif not user.wants_mail:
            log.info("mail_not_wanted", job_id=job.id, state=job.state)
        else:
            self._mailer.send(compose(job, address, links, notice.notification_id))
            log.info("mail_sent", job_id=job.id, state=job.state)
        return _done(Outcome())

    def _deliver(self, notice: Notice) -> _End:
        with self._database.write() as session:
            found = self._batch_told(session, notice) if notice.kind == "batch" else self._job_told(session, notice)
        if found is None:
            return _refused(Outcome(problem="The webhook is no more."))
        receiver, body = found
        status = deliver(receiver, notice.notification_id, body, self._guard)
        log.info("webhook_answered", **_facts(notice), status=status)
        if 200 <= status < 300:
            return _done(Outcome(status))
        outcome = Outcome(status, f"The receiver answered {status}.")
        return _refused(outcome, ends_webhook=True) if status == _GONE else _postponed(outcome)

    def _job_told(self, session: Session, notice: Notice) -> tuple[Receiver, bytes] | None:
        """Returns whom to tell what about a job's end; None when that is wanted no more."""
        job = session.get(Job, notice.job_id)
        webhook = session.get(Webhook, notice.target)
        if job is None or webhook is None or webhook.disabled_at is not None:
            return None
        return Receiver(webhook.url, webhook.secret), message(job, self._links(session, job).result)

    def _batch_told(self, session: Session, notice: Notice) -> tuple[Receiver, bytes] | None:
        """The same about a batch's end."""
        batch = session.get(Batch, notice.target)
        if batch is None or batch.webhook_url is None or batch.webhook_secret is None:
            return None
        body = batch_message(batch, batches.jobs_of(session, batch.id))
        return Receiver(batch.webhook_url, batch.webhook_secret), body

    def _links(self, session: Session, job: Job) -> Links:
        return Links(
            result=self._public_url + accounts_links.result_path(session, job.id, (job.expires_at or 0) // SECOND),
            conversion=f"{self._public_url}/v1/conversions/{job.id}",
            unsubscribe=self._public_url + accounts_links.unsubscribe_path(session, job.user_id),
        )


def _done(outcome: Outcome) -> _End:
    metrics.NOTIFICATIONS.labels("done").inc()
    return partial(notifications.mark_sent, outcome=outcome)


def _postponed(outcome: Outcome) -> _End:
    metrics.NOTIFICATIONS.labels("postponed").inc()
    return partial(notifications.try_again, outcome=outcome)


def _refused(outcome: Outcome, *, ends_webhook: bool = False) -> _End:
    metrics.NOTIFICATIONS.labels("refused").inc()
    return partial(_end_webhook if ends_webhook else notifications.mark_failed, outcome=outcome)


def _end_webhook(session: Session, notice: Notice, outcome: Outcome) -> bool:
    """Takes the receiver at its word: it wants to be told nothing more."""
    webhooks.disable(session, notice.target)
    return notifications.mark_failed(session, notice, outcome)


def _facts(notice: Notice) -> dict[str, Any]:
    return {"job_id": notice.job_id, "kind": notice.kind, "target": notice.target, "attempt": notice.attempt}
