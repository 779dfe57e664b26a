"""The notifier: tells owners how their jobs ended."""

import threading
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from video2mp3.accounts import links as accounts_links
from video2mp3.database.clock import SECOND
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, User
from video2mp3.errors import MailRefused, Unavailable
from video2mp3.jobs import notifications
from video2mp3.jobs.consuming import ConsumerThread, Work
from video2mp3.jobs.notifications import Notice
from video2mp3.jobs.settling import settle
from video2mp3.notify.letters import Links, compose
from video2mp3.notify.mail import Mailer, address_of
from video2mp3.queue import MP3_QUEUE, Queue
from video2mp3.telemetry import metrics, tracing

log = structlog.get_logger()

_STOP_S = 30.0


class NotifierLoop:
    """One thread that takes notifications from the queue `mp3` and mails them, until `stop`."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        *,
        mailer: Mailer | None,
        public_url: str,
        nudge: Callable[[], None],
    ) -> None:
        """Prepares the thread.

        Args:
            database: The rows that are the truth.
            queue: Hands out the notifications.
            mailer: None: no mail is sent, and each notification is one line in the log.
            public_url: How users reach the service, without a slash at the end.
            nudge: Tells the relay that there is room for more.
        """
        self._database = database
        self._mailer = mailer
        self._public_url = public_url
        self._nudge = nudge
        self._stopping = threading.Event()
        self._thread = ConsumerThread("notifier", queue, MP3_QUEUE, self._claim, self._stopping)

    def start(self) -> None:
        """Starts the thread and returns."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a mail that is being sent is finished first, within 30 seconds."""
        self._stopping.set()
        self._thread.join(_STOP_S)

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

    def _notify(self, notice: Notice) -> Callable[[Session, Notice], bool]:
        """Sends the mail; returns the function that writes how that went."""
        try:
            self._send(notice)
        except MailRefused as error:
            log.warning("mail_refused", job_id=notice.job_id, detail=error.detail)
            metrics.NOTIFICATIONS.labels("refused").inc()
            return notifications.mark_failed
        except Unavailable as error:
            log.warning("mail_postponed", job_id=notice.job_id, attempt=notice.attempt, detail=error.detail)
            metrics.NOTIFICATIONS.labels("postponed").inc()
            return notifications.try_again
        except Exception:
            log.exception("mail_failed", job_id=notice.job_id, attempt=notice.attempt)
            metrics.NOTIFICATIONS.labels("postponed").inc()
            return notifications.try_again
        metrics.NOTIFICATIONS.labels("done").inc()
        return notifications.mark_sent

    def _send(self, notice: Notice) -> None:
        with self._database.write() as session:
            job = session.get(Job, notice.job_id)
            user = session.get(User, job.user_id) if job else None
            if job is None or user is None:
                return
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

    def _links(self, session: Session, job: Job) -> Links:
        return Links(
            result=self._public_url + accounts_links.result_path(session, job.id, (job.expires_at or 0) // SECOND),
            conversion=f"{self._public_url}/v1/conversions/{job.id}",
            unsubscribe=self._public_url + accounts_links.unsubscribe_path(session, job.user_id),
        )
