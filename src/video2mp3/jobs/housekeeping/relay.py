"""The relay: announces due jobs and notifications to the queue.

The rows are the outbox, so nothing that was committed can be lost on the way to the broker: a row that was announced
and is not claimed within a minute is announced again. Only a small window of rows is announced at any time. The order
of the messages does not decide which job comes next: a worker that gets one claims the next job by fair queueing
(`taking.py`). Of notifications only those are announced whose turn it is (`fair_window.py`). Any number of
relays may run at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.statements import change, change_all
from video2mp3.database.tables import Job, Notification, User
from video2mp3.jobs import messages, workers
from video2mp3.jobs.housekeeping import periodic_tasks
from video2mp3.outbox.fair_window import Candidate, candidates, choose, under_way
from video2mp3.queue import MP3_QUEUE, VIDEO_QUEUE, Queue
from video2mp3.telemetry import metrics, tracing

LEAST_WINDOW = 10
ANNOUNCED_S = 60
"""A message that is not consumed within this time is published again."""
MESSAGE_LIFETIME_S = 300

Table = type[Job] | type[Notification]


@dataclass(frozen=True)
class _Message:
    """A message that names a job."""

    body: bytes
    traceparent: str | None


@dataclass(frozen=True)
class _Announcement:
    """A due row and its message."""

    row_id: str
    message: _Message


@dataclass(frozen=True)
class _DueNotifications:
    """Notifications whose turn it is, and the messages that name their jobs, by the jobs' ids."""

    email: Sequence[Candidate]
    webhooks: Sequence[Candidate]
    messages: dict[str, _Message]


class Relay:
    """Publishes messages for due rows."""

    def __init__(self, database: Database, queue: Queue, *, announced_s: int = ANNOUNCED_S) -> None:
        """Does nothing before the first `announce_due`."""
        self._database = database
        self._queue = queue
        self._announced_s = announced_s
        self._has_to_forget = False

    def announce_due(self) -> int:
        """Announces due rows, as many as the window allows; returns the number of messages published.

        If the queue has lost its messages, all announced rows are due again.

        Raises:
            QueueUnavailable: when the broker did not accept all messages; the other rows are due again at once.
            DatabaseUnavailable: when the database does not answer.
        """
        if self._queue.lost_messages():
            self._has_to_forget = True
        if self._has_to_forget:
            self._forget_announcements()
        with self._database.read() as session:
            jobs = _next_jobs(session, jobs_window(session) - _out(session, Job))
            notifications = _next_notifications(session)
        published = self._publish_all(Job, VIDEO_QUEUE, self._mark(jobs))
        return published + self._publish_all(Notification, MP3_QUEUE, self._mark_notifications(notifications))

    def _forget_announcements(self) -> None:
        with self._database.write() as session:
            for table in (Job, Notification):
                change_all(session, table, table.state == "queued", table.announced_until > 0, announced_until=0)
        self._has_to_forget = False

    def _publish_all(self, table: Table, queue: str, mine: Sequence[_Announcement]) -> int:
        published = 0
        try:
            for announcement in mine:
                self._publish(queue, announcement.message)
                published += 1
        finally:
            if unpublished := mine[published:]:
                self._unmark(table, unpublished)
        return published

    def _publish(self, queue: str, message: _Message) -> None:
        with tracing.span(f"publish {queue}", kind="producer", parent=message.traceparent) as span:
            headers = {tracing.HEADER: span.traceparent}
            self._queue.publish(queue, message.body, expires_s=MESSAGE_LIFETIME_S, headers=headers)
        metrics.MESSAGES_PUBLISHED.labels(queue).inc()

    def _mark(self, due: Sequence[_Announcement]) -> list[_Announcement]:
        """Marks the jobs as announced and commits; returns those that no other relay has marked."""
        if not due:
            return []
        with self._database.write() as session:
            return self._marked(session, Job, due)

    def _mark_notifications(self, due: _DueNotifications) -> list[_Announcement]:
        """The same for notifications, of which no more are marked than there is room for now."""
        if not (due.email or due.webhooks):
            return []
        with self._database.write() as session:
            # Concurrent relays would each use the same free places.
            periodic_tasks.lock(session, "notifications")
            chosen = [*_with_room(session, due.email, email=True), *_with_room(session, due.webhooks, email=False)]
            mine = [_Announcement(one.id, due.messages[one.job_id]) for one in chosen if one.job_id in due.messages]
            return self._marked(session, Notification, mine)

    def _marked(self, session: Session, table: Table, due: Sequence[_Announcement]) -> list[_Announcement]:
        marked = set()
        announced_until = now() + self._announced_s * SECOND
        # In the order of their ids, so that two relays cannot deadlock.
        for row_id in sorted(announcement.row_id for announcement in due):
            if change(session, table, row_id, *_due(table), announced_until=announced_until):
                marked.add(row_id)
        return [announcement for announcement in due if announcement.row_id in marked]

    def _unmark(self, table: Table, unpublished: Sequence[_Announcement]) -> None:
        with self._database.write() as session:
            for row_id in sorted(announcement.row_id for announcement in unpublished):
                change(session, table, row_id, table.state == "queued", announced_until=0)


def jobs_window(session: Session) -> int:
    """Returns the size of the window: two jobs for each slot of the workers that are alive, at least ten."""
    return max(LEAST_WINDOW, 2 * workers.open_slots(session))


def _due(table: Table) -> tuple[ColumnElement[bool], ...]:
    return (table.state == "queued", table.not_before <= now(), table.announced_until <= now())


def _out(session: Session, table: Table) -> int:
    out = (table.state == "queued", table.announced_until > now())
    return session.scalars(select(func.count()).select_from(table).where(*out)).one()


def _next_jobs(session: Session, limit: int) -> list[_Announcement]:
    # No join here: with one, MySQL sorts all the queued jobs instead of following the index.
    # In the order of the index `ix_jobs_schedule`, which puts users one behind the other: see the module.
    order = (Job.user_id, Job.priority, Job.id)
    next_ones = select(Job.id).where(*_due(Job)).order_by(*order).limit(max(0, limit))
    ids = session.scalars(next_ones).all()
    found = _messages(session, ids, with_mp3=False)
    return [_Announcement(id_, found[id_]) for id_ in ids if id_ in found]


def _next_notifications(session: Session) -> _DueNotifications:
    email, webhooks = (_with_room(session, candidates(session, email=email), email=email) for email in (True, False))
    messages = _messages(session, [one.job_id for one in (*email, *webhooks)], with_mp3=True)
    return _DueNotifications(email, webhooks, messages)


def _with_room(session: Session, found: Sequence[Candidate], *, email: bool) -> list[Candidate]:
    return choose(found, under_way(session, email=email)) if found else []


def _messages(session: Session, job_ids: Sequence[str], *, with_mp3: bool) -> dict[str, _Message]:
    """The messages that name these jobs, without jobs that were deleted."""
    if not job_ids:
        return {}
    columns = (Job.id, Job.upload_id, Job.result_key, Job.traceparent, User.username)
    jobs = session.execute(select(*columns).join(User, User.id == Job.user_id).where(Job.id.in_(set(job_ids)))).all()
    return {
        job.id: _Message(
            messages.make(
                job.id,
                video_fid=job.upload_id,
                mp3_fid=job.id if with_mp3 and job.result_key else None,
                username=job.username,
            ),
            job.traceparent,
        )
        for job in jobs
    }
