"""Watches jobs for all clients of this process: one periodic query serves all of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass

from sqlalchemy import func, select
from starlette.concurrency import run_in_threadpool

from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job
from video2mp3.jobs.lifecycle import ENDED
from video2mp3.supervision import Watchdog

_INTERVAL_S = 1.0
_STALL_AFTER_S = 30.0


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


class JobWatcher:
    """Follows jobs in the database. Used from one event loop; queries only while a client watches."""

    def __init__(self, database: Database) -> None:
        self.closed = False
        """True when the server is about to end: streams should end, too."""
        self._database = database
        self._watches: set[_Watch] = set()
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
                try:
                    await asyncio.wait_for(watch.news.wait(), heartbeat_s)
                except TimeoutError:
                    yield None
                    continue
                watch.news.clear()
                if watch.status is None:
                    return
                yield watch.status
                if watch.status.ended:
                    return
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

    def _add(self, watch: _Watch) -> None:
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
        statuses = await run_in_threadpool(_query, self._database, sorted({watch.job_id for watch in watches}))
        for watch in watches:
            watch.tell(statuses.get(watch.job_id))


def status_of(job: Job) -> JobStatus:
    """Returns a row's status, without the duration of the conversion."""
    percent = 100 if job.state == "finished" else job.percent
    return JobStatus(job.state, percent, job.done_s, elapsed_s=0.0, error_code=job.error_code)


def _visible(status: JobStatus | None) -> tuple[object, ...] | None:
    return None if status is None else (status.state, status.percent, status.done_s)


def _query(database: Database, job_ids: Sequence[str]) -> dict[str, JobStatus]:
    until = func.coalesce(Job.ended_at, now())
    columns = (Job.id, Job.state, Job.percent, Job.done_s, Job.started_at, Job.error_code, until)
    with database.read() as session:
        rows = session.execute(select(*columns).where(Job.id.in_(job_ids))).all()
    return {
        job_id: JobStatus(
            state=state,
            percent=100 if state == "finished" else percent,
            done_s=done_s,
            elapsed_s=(until - started_at) / SECOND if started_at else 0.0,
            error_code=error_code,
        )
        for job_id, state, percent, done_s, started_at, error_code, until in rows
    }
