"""Watches jobs for all clients of this process: one periodic query serves all of them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, union_all
from starlette.concurrency import run_in_threadpool

from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job
from video2mp3.jobs.lifecycle import ENDED
from video2mp3.supervision import Watchdog

_INTERVAL_S = 1.0
_STALL_AFTER_S = 30.0
# A user's client learns of a conversion that ended while it was reconnecting.
_RECENTLY_S = 60
_UNENDED = ("waiting", "queued", "processing")
# The share of the time that queries for the conversions of users may take: a user may have a thousand in the queue.
_USER_QUERIES_SHARE = 0.1


@dataclass(frozen=True)
class JobStatus:
    """The state and the progress of a job."""

    state: str
    percent: int
    done_s: float
    """Seconds of audio converted."""
    elapsed_s: float
    """Duration of the conversion so far; 0 before it starts."""
    error_code: str | None

    @property
    def ended(self) -> bool:
        """True in a final state."""
        return self.state in ENDED


class _Watch:
    """One client's interest in one job: always the newest status, never a backlog."""

    def __init__(self, job_id: str, status: JobStatus, interval_s: float) -> None:
        self.job_id = job_id
        self.interval_s = interval_s
        self.status: JobStatus | None = status
        self.news = asyncio.Event()
        self.news.set()

    def tell(self, status: JobStatus | None) -> None:
        if _visible(status) != _visible(self.status):
            self.status = status
            self.news.set()


class _UserWatch:
    """One client's interest in all jobs of a user: of each the newest status, never a backlog."""

    interval_s = _INTERVAL_S

    def __init__(self, user_id: str, statuses: Mapping[str, JobStatus], asked_at_s: float) -> None:
        self.user_id = user_id
        self.news = asyncio.Event()
        self._statuses: Mapping[str, JobStatus] = {}
        self._changed: dict[str, JobStatus | None] = {}
        self.tell(statuses, asked_at_s)

    def missing(self, statuses: Mapping[str, JobStatus]) -> list[str]:
        """Returns the jobs that had not ended and are not among these any more."""
        before = self._statuses
        return [job_id for job_id in before.keys() - statuses.keys() if not before[job_id].ended]

    def tell(self, statuses: Mapping[str, JobStatus], asked_at_s: float) -> None:
        self.asked_at_s = asked_at_s
        gone = self.missing(statuses)
        before, self._statuses = self._statuses, statuses
        for job_id, status in statuses.items():
            if _visible(status) != _visible(before.get(job_id)):
                self._changed[job_id] = status
        self._changed |= dict.fromkeys(gone)
        if self._changed:
            self.news.set()

    def take(self) -> dict[str, JobStatus | None]:
        changed, self._changed = self._changed, {}
        return changed


class JobWatcher:
    """Follows jobs in the database. Used from one event loop; queries only while a client watches."""

    def __init__(self, database: Database) -> None:
        self.closed = False
        """True when the server is about to end: streams should end, too."""
        self._database = database
        self._watches: set[_Watch | _UserWatch] = set()
        self._users_due_at_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._in_a_hurry = asyncio.Event()
        # The clients wait for this loop, so no error ends it.
        self._watchdog = Watchdog("job-watcher", _STALL_AFTER_S, max_backoff_s=_INTERVAL_S)

    async def changes(
        self, job: Job, *, heartbeat_s: float, interval_s: float = _INTERVAL_S
    ) -> AsyncIterator[JobStatus | None]:
        """Yields the job's status at once and at each change; ends after the final one, or when the job is deleted.

        Yields None after `heartbeat_s` seconds without a change. `interval_s` is the polling interval.
        """
        watch = _Watch(job.id, status_of(job), interval_s)
        self._add(watch)
        try:
            while True:
                if not await _is_told(watch.news, heartbeat_s):
                    yield None
                    continue
                if watch.status is None:
                    return
                yield watch.status
                if watch.status.ended:
                    return
        finally:
            self._watches.discard(watch)

    async def changes_of_user(
        self, user_id: str, *, heartbeat_s: float
    ) -> AsyncIterator[Mapping[str, JobStatus | None] | None]:
        """Yields the changed statuses of a user's jobs, by id; None instead of a status means that the job was deleted.

        Yields at once the jobs that have not ended or ended within the last minute. Does not end. Yields None after
        `heartbeat_s` seconds without a change.
        """
        asked_at_s = time.monotonic()
        statuses = await run_in_threadpool(_query_users, self._database, [user_id], _RECENTLY_S)
        watch = _UserWatch(user_id, statuses[user_id], asked_at_s)
        self._add(watch)
        try:
            while True:
                if not await _is_told(watch.news, heartbeat_s):
                    yield None
                    continue
                yield watch.take()
        finally:
            self._watches.discard(watch)

    async def wait_for_end(self, job: Job, interval_s: float) -> None:
        """Returns when the job has ended or was deleted."""
        async for _ in self.changes(job, heartbeat_s=3600, interval_s=interval_s):
            pass

    def close(self) -> None:
        """Wakes all clients, so that they see `closed`."""
        self.closed = True
        for watch in self._watches:
            watch.news.set()

    def _add(self, watch: _Watch | _UserWatch) -> None:
        hurry = all(watch.interval_s < other.interval_s for other in self._watches)
        self._watches.add(watch)
        if self._task is None or self._task.done():
            self._in_a_hurry = asyncio.Event()
            # In a new context: it queries for all clients, not for the first caller.
            self._task = asyncio.create_task(self._follow(), context=Context())
        elif hurry:
            self._in_a_hurry.set()

    async def _follow(self) -> None:
        self._watchdog.watch()
        try:
            while self._watches:
                with self._watchdog.turn():
                    await self._pause()
                    await self._ask()
                await asyncio.sleep(self._watchdog.backoff_s)
        finally:
            self._watchdog.unwatch()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            pause_s = min(watch.interval_s for watch in self._watches)
            await asyncio.wait_for(self._in_a_hurry.wait(), pause_s)
        self._in_a_hurry.clear()

    async def _ask(self) -> None:
        watches = list(self._watches)
        jobs = [watch for watch in watches if isinstance(watch, _Watch)]
        users = [watch for watch in watches if isinstance(watch, _UserWatch)]
        if jobs:
            of_jobs = await run_in_threadpool(_query, self._database, sorted({watch.job_id for watch in jobs}))
            for watch in jobs:
                watch.tell(of_jobs.get(watch.job_id))
        asked_at_s = time.monotonic()
        if users and asked_at_s >= self._users_due_at_s:
            # While the database did not answer, jobs may have been created and ended.
            unasked_s = asked_at_s - min(each.asked_at_s for each in users)
            user_ids = sorted({each.user_id for each in users})
            of_users = await run_in_threadpool(_query_users, self._database, user_ids, _RECENTLY_S + unasked_s)
            for each in users:
                statuses = of_users[each.user_id]
                # Deleted, or ended before that.
                if missing := each.missing(statuses):
                    statuses = statuses | await run_in_threadpool(_query, self._database, missing)
                each.tell(statuses, asked_at_s)
            self._users_due_at_s = asked_at_s + (time.monotonic() - asked_at_s) / _USER_QUERIES_SHARE


async def _is_told(news: asyncio.Event, timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(news.wait(), timeout_s)
    except TimeoutError:
        return False
    news.clear()
    return True


def status_of(job: Job) -> JobStatus:
    """Returns a row's status, without the duration of the conversion."""
    percent = 100 if job.state == "finished" else job.percent
    return JobStatus(job.state, percent, job.done_s, elapsed_s=0.0, error_code=job.error_code)


def _visible(status: JobStatus | None) -> tuple[object, ...] | None:
    return None if status is None else (status.state, status.percent, status.done_s)


def _query(database: Database, job_ids: Sequence[str]) -> dict[str, JobStatus]:
    with database.read() as session:
        rows = session.execute(_select(Job.id.in_(job_ids))).all()
    return {row.id: _status(row) for row in rows}


def _query_users(database: Database, user_ids: Sequence[str], recently_s: float) -> Mapping[str, dict[str, JobStatus]]:
    """Returns the jobs that have not ended or ended recently, by user and id; none for other users."""
    of_users = Job.user_id.in_(user_ids)
    # In one statement, so that no job ends between two of them; each half has an index.
    unended = _select(of_users, Job.state.in_(_UNENDED))
    ended = _select(of_users, Job.state.in_(ENDED), Job.ended_at > now() - round(recently_s * SECOND))
    with database.read() as session:
        rows = session.execute(union_all(unended, ended)).all()
    statuses: dict[str, dict[str, JobStatus]] = defaultdict(dict)
    for row in rows:
        statuses[row.user_id][row.id] = _status(row)
    return statuses


def _select(*where: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    until = func.coalesce(Job.ended_at, now()).label("until_at")
    columns = (Job.id, Job.user_id, Job.state, Job.percent, Job.done_s, Job.started_at, Job.error_code, until)
    return select(*columns).where(*where)


def _status(row: Row[*tuple[Any, ...]]) -> JobStatus:
    return JobStatus(
        state=row.state,
        percent=100 if row.state == "finished" else row.percent,
        done_s=row.done_s,
        elapsed_s=(row.until_at - row.started_at) / SECOND if row.started_at else 0.0,
        error_code=row.error_code,
    )
