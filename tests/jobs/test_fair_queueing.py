"""It should share the slots between users, whatever the priorities of their jobs."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import permutations

import pytest

from tests.jobs.rows import change_job, finish, make_upload, make_user, read_job, submit
from tests.jobs.taking import take_all
from video2mp3.database.connection import Database
from video2mp3.jobs import lifecycle, taking
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.jobs.lifecycle import PRIORITIES, Claim
from video2mp3.jobs.taking import take_next
from video2mp3.queue import VIDEO_QUEUE
from video2mp3.queue.memory import MemoryQueue

HIGH, NORMAL, LOW = range(len(PRIORITIES))


def submit_many(database: Database, user_id: str, count: int, **values: int) -> list[str]:
    upload_id = make_upload(database, user_id)
    return [submit(database, user_id, upload_id, **values).id for _ in range(count)]


def take(database: Database, named: str = "") -> Claim:
    claim = take_next(database, named, "w" * 32)
    assert claim is not None
    return claim


def serve(database: Database, count: int) -> list[str]:
    """The users whose jobs one slot takes, one after the other."""
    users = []
    for _ in range(count):
        claim = take(database)
        users.append(claim.user_id)
        assert finish(database, claim)
    return users


def test_users_take_turns_however_many_jobs_each_has(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    submit_many(database, anna, 4)
    submit_many(database, ben, 2)
    assert serve(database, 6) == [anna, ben, anna, ben, anna, anna]


def test_who_comes_late_is_next_and_gets_no_credit(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    submit_many(database, anna, 9)
    assert serve(database, 5) == [anna] * 5
    submit_many(database, ben, 3)
    assert serve(database, 7) == [ben, anna, ben, anna, ben, anna, anna]


def test_who_has_deleted_what_was_served_waits_no_longer_than_others(database: Database) -> None:
    """It should keep the virtual time when the rows of the jobs are gone."""
    anna, ben = make_user(database), make_user(database)
    for job_id in submit_many(database, anna, 5):
        serve(database, 1)
        with database.write() as session:
            lifecycle.delete(session, job_id, anna)
    submit_many(database, anna, 2)
    submit_many(database, ben, 2)
    assert serve(database, 4) == [ben, anna, ben, anna]


def test_jobs_that_wait_earn_nothing(database: Database) -> None:
    """It should be as if a user had come when the uploads were complete, or the next try was due."""
    anna, ben = make_user(database), make_user(database)
    submit_many(database, anna, 9)
    delayed = submit_many(database, ben, 3)
    for job_id in delayed:
        change_job(database, job_id, not_before=9 * 10**15)
    assert serve(database, 4) == [anna] * 4
    for job_id in delayed:
        change_job(database, job_id, not_before=1)
    assert serve(database, 6) == [ben, anna, ben, anna, ben, anna]


def test_a_slot_goes_to_who_holds_the_fewest(database: Database) -> None:
    """It should count what runs: two jobs of four hours are twice as much as one."""
    anna, ben, cleo = make_user(database), make_user(database), make_user(database)
    submit_many(database, anna, 5)
    held = [take(database) for _ in range(2)]
    assert {claim.user_id for claim in held} == {anna}
    submit_many(database, ben, 3)
    # As long as Anna holds two slots and Ben none, each slot that becomes free is Ben's.
    assert serve(database, 2) == [ben, ben]
    bens = take(database)
    submit_many(database, cleo, 2)
    assert take(database).user_id == cleo
    assert finish(database, bens)
    assert take(database).user_id == cleo


def test_who_waits_alone_may_have_all_slots(database: Database) -> None:
    anna = make_user(database)
    submit_many(database, anna, 4)
    assert [take(database).user_id for _ in range(4)] == [anna] * 4


def test_priorities_order_a_user_s_own_jobs(database: Database) -> None:
    anna = make_user(database)
    low, normal, high, later = (submit(database, anna, priority=priority).id for priority in (LOW, NORMAL, HIGH, HIGH))
    change_job(database, later, not_before=9 * 10**15)
    assert [take(database).job_id for _ in range(3)] == [high, normal, low]
    assert take_next(database, later, "w" * 32) is None


@pytest.mark.parametrize(("priority", "of_ten"), [(HIGH, 8), (NORMAL, 5), (LOW, 2)])
def test_priorities_are_weights_between_users(priority: int, of_ten: int, database: Database) -> None:
    """It should let nobody wait for ever: four high ones for each normal one, four normal ones for each low one."""
    anna, ben = make_user(database), make_user(database)
    submit_many(database, anna, 12, priority=priority)
    submit_many(database, ben, 12)
    served = Counter(serve(database, 10))
    assert served == {anna: of_ten, ben: 10 - of_ten}


def test_ones_own_low_jobs_make_a_share_no_larger(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    for priority in (LOW, NORMAL):
        submit_many(database, anna, 6, priority=priority)
    submit_many(database, ben, 6)
    assert Counter(serve(database, 8)) == {anna: 4, ben: 4}


def test_jobs_canceled_in_the_queue_take_nobody_s_turn(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    for job_id in submit_many(database, anna, 5):
        with database.write() as session:
            lifecycle.cancel(session, job_id, anna)
    submit_many(database, anna, 2)
    submit_many(database, ben, 2)
    assert serve(database, 4) == [anna, ben, anna, ben]


def test_another_user_s_job_is_next_whatever_the_broker_has_in_front(database: Database, memory: MemoryQueue) -> None:
    """It should be so while the messages of one user's jobs fill the window."""
    anna, ben = make_user(database), make_user(database)
    submit_many(database, anna, 1000)
    relay = Relay(database, memory)
    relay.announce_due()
    running = [take(database, message["job_id"]) for message in take_all(memory)[:2]]
    relay.announce_due()
    (bens,) = submit_many(database, ben, 1)
    relay.announce_due()
    first = take_all(memory)[0]["job_id"]
    assert read_job(database, first).user_id == anna
    assert finish(database, running[0])
    assert take(database, first).job_id == bens


def test_there_is_a_message_for_each_announced_job(database: Database, memory: MemoryQueue) -> None:
    """It should lose no job's message where another one is taken: each message leads to a claim."""
    anna, ben = make_user(database), make_user(database)
    jobs = submit_many(database, anna, 8)
    relay = Relay(database, memory)
    assert relay.announce_due() == 8
    named = [message["job_id"] for message in take_all(memory)]
    jobs += submit_many(database, ben, 3)  # not announced
    taken = [take(database, job_id).job_id for job_id in named]
    assert relay.announce_due() == 3
    assert memory.depth(VIDEO_QUEUE) == 3
    taken += [take(database, message["job_id"]).job_id for message in take_all(memory)]
    assert sorted(taken) == sorted(jobs)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_there_is_one_too_where_workers_take_the_jobs_of_each_other_s_messages(
    order: tuple[int, ...], database: Database, memory: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should be so in whatever order they hand on, where two take jobs that were not announced."""
    anna = make_user(database)
    expired, *retried = submit_many(database, anna, 3)
    announced = submit_many(database, anna, 3)
    for job_id in (expired, *retried):
        change_job(database, job_id, not_before=9 * 10**15)
    relay = Relay(database, memory)
    assert relay.announce_due() == 3
    assert [message["job_id"] for message in take_all(memory)] == announced
    for job_id in retried:
        change_job(database, job_id, not_before=0)
    change_job(database, expired, announced_until=1)
    hand_on, handed_on = taking._hand_on, []
    monkeypatch.setattr(
        taking, "_hand_on", lambda *job, **announcement: handed_on.append(partial(hand_on, *job, **announcement))
    )
    assert [take(database, job_id).job_id for job_id in announced] == [*retried, announced[0]]
    for place in order:
        handed_on[place]()
    assert relay.announce_due() == 2
    assert {message["job_id"] for message in take_all(memory)} == set(announced[1:])


def test_workers_at_the_same_moment_take_different_jobs(database: Database) -> None:
    """It should charge the users for all of them."""
    users = [make_user(database) for _ in range(4)]
    jobs = [job_id for user_id in users for job_id in submit_many(database, user_id, 6)]
    with ThreadPoolExecutor(6) as pool:
        claims = list(pool.map(lambda job_id: take(database, job_id), jobs[:12]))
    assert len({claim.job_id for claim in claims}) == 12
    assert max(Counter(claim.user_id for claim in claims).values()) <= 4
    for claim in claims:
        finish(database, claim)
    assert Counter(serve(database, 12)).total() == 12
    assert take_next(database, jobs[0], "w" * 32) is None
