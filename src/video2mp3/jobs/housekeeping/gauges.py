"""Metrics of the backlog, read from the database at each scrape."""

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
"""Prometheus' timeout is ten seconds; after that it has no value at all from this process."""


@dataclass(frozen=True)
class _Waiting:
    """The values of one read."""

    backlog: Backlog
    job_due_s: float
    """How long the longest-waiting due job has been due."""
    notification_due_s: float


class BacklogGauges(Collector):
    """Counts the rows at most every five seconds. If the database does not answer, it reports that."""

    def __init__(self, database: Database) -> None:
        """Does nothing before `collect`."""
        self._database = database
        self._lock = threading.Lock()
        self._reading: threading.Thread | None = None
        self._read: _Waiting | None = None
        self._read_at_s = float("-inf")

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        found = self._waiting()
        yield GaugeMetricFamily(
            "video2mp3_database_up", "1 where the database answered this.", value=float(found is not None)
        )
        if found is not None:
            yield from _families(found)

    def _waiting(self) -> _Waiting | None:
        """Returns the latest values; None if the database does not answer."""
        with self._lock:
            if self._reading is None and time.monotonic() - self._read_at_s > _CACHE_S:
                # In a thread that may hang; a hanging one is not started a second time.
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
    """Returns how long the oldest due rows have been due; a pause before another attempt does not count."""
    since = case((table.not_before > table.created_at, table.not_before), else_=table.created_at)
    first = select(func.min(since)).where(table.state == "queued", table.not_before <= now(), *_waits_for_us(table))
    waited = session.scalar(select(now() - first.scalar_subquery()))
    return max(0.0, (waited or 0) / SECOND)


def _waits_for_us(table: type[Job] | type[Notification]) -> tuple[ColumnElement[bool], ...]:
    """Excludes deliveries that wait for an unresponsive host, which the operator cannot mend."""
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
        ("video2mp3_jobs_delayed", "Queued jobs that wait for another attempt.", found.delayed),
        ("video2mp3_jobs_announced", "Queued jobs that the broker has a message for.", found.announced),
        (
            "video2mp3_oldest_due_job_seconds",
            "Time for which the longest-waiting due job has been due; 0: none is due.",
            waiting.job_due_s,
        ),
        ("video2mp3_notifications_queued", "Notifications that wait.", found.notifications),
        (
            "video2mp3_oldest_notification_seconds",
            "Time since the end of the job whose owner has waited longest for an email; 0: none.",
            found.oldest_notification_s,
        ),
        (
            "video2mp3_oldest_due_notification_seconds",
            "Time for which the longest-waiting due notification has been due; 0: none is due.",
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
