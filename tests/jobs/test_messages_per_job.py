"""How many messages a job costs while very many wait. The database's clock is the test's."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, insert

from tests.jobs.rows import claim, make_upload, make_user
from tests.jobs.taking import take_all
from tests.options import resolved
from video2mp3.database import connection as connection_module
from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, new_id
from video2mp3.jobs.housekeeping.relay import LEAST_WINDOW, Relay
from video2mp3.queue.memory import MemoryQueue

JOBS = 2_000
HOUR_S = 3600


class Clock:
    """The time that the database tells; it stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000

    def time_ns(self) -> int:
        return self.seconds * 1_000_000_000

    def monotonic(self) -> float:
        return float(self.seconds)


@pytest.fixture
def clock(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    if database.dialect == "sqlite":
        monkeypatch.setattr(connection_module, "time", clock)
        yield clock
        return

    def set_time(connection: Any) -> None:
        connection.exec_driver_sql(f"SET timestamp = {clock.seconds}")

    event.listen(database.engine, "begin", set_time)
    yield clock
    event.remove(database.engine, "begin", set_time)


@pytest.fixture
def waiting(database: Database) -> None:
    """Two thousand queued jobs of one user."""
    user_id = make_user(database)
    row = {"user_id": user_id, "upload_id": make_upload(database, user_id), "source_name": "", "source_size_bytes": 1}
    rows = [{**row, "id": new_id(), "options": resolved(), "created_at": 1} for _ in range(JOBS)]
    with database.write() as session:
        session.execute(insert(Job), rows)


def test_the_clock_is_the_test_s(database: Database, clock: Clock) -> None:
    for _ in range(2):
        clock.seconds += 100
        with database.read() as session:
            assert session.scalars(now().select()).one() == clock.seconds * 1_000_000


def test_while_two_thousand_wait_for_an_hour_only_the_window_is_announced_again(
    database: Database, memory: MemoryQueue, clock: Clock, waiting: None
) -> None:
    """It should publish two messages for each job at most; here: 10 each minute, for all slots are busy."""
    relay = Relay(database, memory)
    published = 0
    for _ in range(0, HOUR_S, 10):
        published += relay.announce_due()
        clock.seconds += 10
    assert published == LEAST_WINDOW * HOUR_S // 60
    assert published <= 2 * JOBS
    # The same few again and again, none of those behind them.
    assert len({message["job_id"] for message in take_all(memory)}) == LEAST_WINDOW


def test_a_job_that_is_taken_in_its_turn_cost_two_messages_at_most(
    database: Database, memory: MemoryQueue, clock: Clock, waiting: None
) -> None:
    """It should be so while the workers take half of the window each minute, for an hour."""
    relay = Relay(database, memory)
    messages: Counter[str] = Counter()
    taken: list[str] = []
    for _ in range(HOUR_S // 60):
        relay.announce_due()
        announced = [message["job_id"] for message in take_all(memory)]
        messages.update(announced)
        oldest = sorted(set(announced), key=lambda job_id: (-messages[job_id], announced.index(job_id)))
        for job_id in oldest[: LEAST_WINDOW // 2]:
            assert claim(database, job_id) is not None
            taken.append(job_id)
        clock.seconds += 60
    assert len(taken) == LEAST_WINDOW // 2 * HOUR_S // 60
    assert max(messages[job_id] for job_id in taken) <= 2
