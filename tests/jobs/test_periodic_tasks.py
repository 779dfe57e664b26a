from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from tests.jobs.objects import keys_in, make_old, put
from tests.servers import wait_until
from video2mp3.database.connection import Database
from video2mp3.database.tables import PeriodicTask
from video2mp3.jobs.housekeeping import periodic_tasks
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.queue.memory import MemoryQueue
from video2mp3.storage.disk import DiskStorage


def _take_turn(database: Database, name: str = "r") -> bool:
    with database.write() as session:
        return periodic_tasks.try_acquire(session, name, 3600)


def _let_the_time_pass(database: Database) -> None:
    with database.write() as session:
        session.execute(update(PeriodicTask).values(due_at=1))


def test_one_of_all_who_ask_has_the_turn_in_each_interval(database: Database) -> None:
    for _ in range(2):
        with ThreadPoolExecutor(8) as pool:
            turns = list(pool.map(lambda _: _take_turn(database), range(24)))
        assert turns.count(True) == 1
        _let_the_time_pass(database)


def test_each_routine_has_turns_of_its_own(database: Database) -> None:
    assert [_take_turn(database, name) for name in ("r", "s", "r", "s")] == [True, True, False, False]


@pytest.fixture
def processes(database: Database, disk: DiskStorage) -> Iterator[list[Housekeeping]]:
    processes = [Housekeeping(database, MemoryQueue(), disk) for _ in range(3)]
    yield processes
    for process in processes:
        process.stop()


def test_one_of_three_processes_looks_for_orphans(
    database: Database, disk: DiskStorage, processes: list[Housekeeping], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should list the storage once in each interval, however many processes there are."""
    listings: list[str] = []
    list_all = disk.list

    def counted(prefix: str) -> object:
        listings.append(prefix)
        return list_all(prefix)

    monkeypatch.setattr(disk, "list", counted)
    looks: list[bool] = []
    try_acquire = periodic_tasks.try_acquire

    def observed(*arguments: object) -> bool:
        is_acquired = try_acquire(*arguments)  # type: ignore[arg-type]
        if "orphans" in arguments:
            looks.append(is_acquired)
        return is_acquired

    monkeypatch.setattr(periodic_tasks, "try_acquire", observed)
    make_old(disk, put(disk, f"uploads/{'0' * 32}/0-abcd"))
    for process in processes:
        process.start()
    wait_until(lambda: len(looks) == 3 and "results/" in listings, 10, "three looks")
    assert looks.count(True) == 1
    assert len(listings) == len(set(listings))
    assert keys_in(disk) == set()
