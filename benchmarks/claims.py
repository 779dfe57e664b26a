"""How long the statements take that run all the time, with 10,000 jobs waiting: `python -m benchmarks.claims`.

The jobs are those of a hundred users. Each claim is what a worker does for one, the choice of the job included, on
SQLite and on a MariaDB that is started for this. The goal is a 99th percentile of at most 20 ms for a claim; beside it
stand the same figures with 100 jobs waiting.
"""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import insert, text
from tests.servers import MariaDBServer

from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Upload, User, new_id
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.jobs.taking import take_next
from video2mp3.queue.memory import MemoryQueue

CLAIMS = 1000
USERS = 100
TICKS = 200


def main() -> None:
    """Prints a table."""
    print(f"{'database':<10}{'waiting':>9}  {'what':<8}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for waiting in (100, 10_000):
            measure("SQLite", f"sqlite:///{folder}/{waiting}.db", waiting)
    with _mariadb() as server:
        for waiting in (100, 10_000):
            measure("MariaDB", server.new_database(), waiting)


def measure(name: str, url: str, waiting: int) -> None:
    """Measures one database with so many jobs waiting, and 10,000 that have ended."""
    database = Database(url)
    migrate.upgrade(database)
    _fill(database, waiting)
    relay = Relay(database, MemoryQueue())
    for what, times_s in (
        ("claim", _claims(database)),
        ("relay", _timed(relay.announce_due, TICKS)),
        ("reaper", _timed(lambda: _reap(database), TICKS)),
    ):
        p99 = statistics.quantiles(times_s, n=100, method="inclusive")[98]
        figures = (statistics.median(times_s), p99, max(times_s))
        print(
            f"{name:<10}{waiting:>9}  {what:<8}" + "".join(f"{1000 * figure:>9.2f}" for figure in figures), flush=True
        )
    database.close()


def _fill(database: Database, waiting: int) -> None:
    user_ids, upload_id = [new_id() for _ in range(USERS)], new_id()
    row: dict[str, Any] = {"upload_id": upload_id, "source_name": "", "source_size_bytes": 1}
    row |= {"options": {}, "created_at": 1}
    states = ["queued"] * waiting + ["finished"] * 10_000
    rows = [
        {**row, "id": new_id(), "state": state, "user_id": user_id}
        for state, user_id in zip(states, itertools.cycle(user_ids), strict=False)
    ]
    with database.write() as session:
        for user_id in user_ids:
            session.add(User(id=user_id, username=user_id, username_key=user_id, created_at=1))
        session.flush()
        session.add(
            Upload(id=upload_id, user_id=user_ids[0], name="", state="complete", created_at=1, expires_at=2**60)
        )
        session.flush()
        session.execute(insert(Job), rows)
    with database.write() as session:
        session.execute(text("ANALYZE" if database.dialect == "sqlite" else "ANALYZE TABLE jobs"))


def _claims(database: Database) -> list[float]:
    """Claims jobs in their turn; as many wait as before when one is claimed."""
    times_s = []
    for _ in range(CLAIMS):
        began_s = time.perf_counter()
        claim = take_next(database, "0" * 32, "w" * 32)
        times_s.append(time.perf_counter() - began_s)
        assert claim is not None
        with database.write() as session:
            lifecycle.release(session, claim)
    return times_s


def _reap(database: Database) -> None:
    with database.write() as session:
        lifecycle.reap(session)


def _timed(function: Callable[[], object], times: int) -> list[float]:
    times_s = []
    for _ in range(times):
        began_s = time.perf_counter()
        function()
        times_s.append(time.perf_counter() - began_s)
    return times_s


@contextmanager
def _mariadb() -> Iterator[MariaDBServer]:
    server = MariaDBServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


if __name__ == "__main__":
    main()
