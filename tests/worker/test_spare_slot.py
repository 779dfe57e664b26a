"""The spare slot should take jobs of users who hold no slot, and only while all others are busy."""

import threading

import pytest

from tests.jobs.rows import claimed, make_upload, make_user, read_job, submit
from tests.servers import wait_until
from video2mp3.database.connection import Database
from video2mp3.jobs.fair_queueing import next_job_of_newcomer
from video2mp3.jobs.taking import take_for_newcomer
from video2mp3.supervision import Loop
from video2mp3.worker.spare_slot import SpareSlot


def jobs_of_new_user(database: Database, number: int) -> tuple[str, list[str]]:
    user_id = make_user(database)
    upload_id = make_upload(database, user_id)
    return user_id, [submit(database, user_id, upload_id).id for _ in range(number)]


def newcomer(database: Database) -> str | None:
    with database.read() as session:
        return next_job_of_newcomer(session)


def test_who_holds_a_slot_is_no_newcomer(database: Database) -> None:
    _, first = jobs_of_new_user(database, 3)
    assert newcomer(database) == first[0]
    claimed(database, first[0])
    assert newcomer(database) is None
    _, second = jobs_of_new_user(database, 2)
    _, third = jobs_of_new_user(database, 2)
    assert newcomer(database) == second[0]
    claim = take_for_newcomer(database, "w" * 32)
    assert claim is not None
    assert claim.job_id == second[0]
    assert newcomer(database) == third[0]
    claimed(database, third[0])
    assert take_for_newcomer(database, "w" * 32) is None
    assert read_job(database, second[1]).state == "queued"


@pytest.mark.parametrize("busy", [[True, False], [True, True]])
def test_it_takes_only_while_all_slots_are_busy(busy: list[bool]) -> None:
    stopping, hold, taken = threading.Event(), threading.Event(), threading.Event()

    class Slot(Loop):
        def __init__(self, works: bool) -> None:
            super().__init__("slot", self.turn_once, stall_after_s=30, every_s=0.01, stopping=stopping)
            self._works = works

        def turn_once(self) -> None:
            if self._works:
                with self.busy(60):
                    hold.wait()

    slots = [Slot(works) for works in busy]
    asked = threading.Event()

    def take() -> object:
        asked.set()
        return None if taken.is_set() else taken.set

    spare = SpareSlot(slots, take, stopping, work_limit_s=60)  # type: ignore[arg-type]
    for loop in (*slots, spare):
        loop.start()
    try:
        if all(busy):
            wait_until(taken.is_set, 10, "the spare slot to work")
        else:
            assert not asked.wait(0.5)
    finally:
        hold.set()
        stopping.set()
        for loop in (*slots, spare):
            loop.join(10)
