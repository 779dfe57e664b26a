"""What waits, as metrics: read from the database when somebody asks."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
from prometheus_client import Metric
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Destination, Job, Notification
from video2mp3.errors import Unavailable
from video2mp3.jobs.administration import Backlog, backlog
from video2mp3.outbox.destinations import SLOWED_AFTER

log = structlog.get_logger()

_CACHE_S = 5.0
_DEADLINE_S = 3.0
"""Prometheus waits for ten seconds, and then has no number at all of this process."""


@dataclass(frozen=True)
class _Waiting:
    """What was read."""

    backlog: Backlog
    job_due_s: float
    """How long the job that has been due longest could have been taken."""
    notification_due_s: float


class BacklogGauges(Collector):
    """Counts the rows at most every five seconds. If the database does not answer, it reports that."""

    def __init__(self, database: Database) -> None:
        """Nothing happens before `collect`."""
        self._database = database
        self._lock = threading.Lock()
        self._reading: threading.Thread | None = None
        self._read: _Waiting | None = None
        self._read_at_s = float("-inf")

    def describe(self) -> Iterator[Metric]:
        """Nothing needs to be known before."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        found = self._waiting()
        yield GaugeMetricFamily(
            "video2mp3_database_up", "1 where the database answered this.", value=float(found is not None)
        )
        if found is not None:
            yield from _families(found)

    def _waiting(self) -> _Waiting | None:
        """Returns what was read lately; None where the database does not answer."""
        with self._lock:
            if self._reading is None and time.monotonic() - self._read_at_s > _CACHE_S:
                # In a thread that may hang; one that does is not started again beside itself.
                self._reading = threading.Thread(target=self._count, name="gauges", daemon=True)
                self._reading.start()
            if self._reading is not None:
                self._reading.join(_DEADLINE_S)
                if self._reading.is_alive():
                    return None
                self._reading = None
            return self._read

    def _count(self) -> None:
        try:
            with self._database.read() as session:
                self._read = _Waiting(backlog(session), _due_s(session, Job), _due_s(session, Notification))
        except Unavailable as error:
            self._read = None
            log.warning("gauges_not_read", error=error.code)
        except Exception:
            self._read = None
            log.exception("gauges_failed")
        self._read_at_s = time.monotonic()


def _due_s(session: Session, table: type[Job] | type[Notification]) -> float:
    """Returns for how long nobody has taken what is due: not the age of what waits for another try."""
    since = case((table.not_before > table.created_at, table.not_before), else_=table.created_at)
    first = select(func.min(since)).where(table.state == "queued", table.not_before <= now(), *_waits_for_us(table))
    waited = session.scalar(select(now() - first.scalar_subquery()))
    return max(0.0, (waited or 0) / SECOND)


def _waits_for_us(table: type[Job] | type[Notification]) -> tuple[ColumnElement[bool], ...]:
    """Leaves out the deliveries that wait for a host which does not answer: that is its user's affair."""
    if table is Job:
        return ()
    its_host = (Destination.user_id == Notification.user_id, Destination.host == Notification.destination)
    return (~select(Destination.host).where(*its_host, Destination.failures >= SLOWED_AFTER).exists(),)


def _families(waiting: _Waiting) -> Iterator[Metric]:
    found = waiting.backlog
    states = {"waiting": found.waiting, "queued": sum(found.queued.values()), "processing": found.processing}
    yield _labeled("video2mp3_jobs", "Jobs that have not ended, by state.", "state", states)
    yield _labeled("video2mp3_jobs_queued", "Jobs that wait for a worker, by priority.", "priority", found.queued)
    for name, text, value in (
        ("video2mp3_jobs_delayed", "Those of the queued jobs that wait for another try.", found.delayed),
        ("video2mp3_jobs_announced", "Those of the queued jobs that the broker has a message for.", found.announced),
        (
            "video2mp3_oldest_due_job_seconds",
            "For how long the job that has been due longest could have been taken; 0: none is due.",
            waiting.job_due_s,
        ),
        ("video2mp3_notifications_queued", "Notifications that wait.", found.notifications),
        (
            "video2mp3_oldest_notification_seconds",
            "Since the end of the job whose owner has waited longest for an email; 0: none.",
            found.oldest_notification_s,
        ),
        (
            "video2mp3_oldest_due_notification_seconds",
            "For how long the notification that has been due longest could have been sent; 0: none is due.",
            waiting.notification_due_s,
        ),
        ("video2mp3_open_slots", "Slots of all workers that are alive and take jobs.", found.open_slots),
    ):
        yield GaugeMetricFamily(name, text, value=value or 0.0)


def _labeled(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family
