"""Which file is fetched next, or which result is sent: users in turn, and bounds for each user and host."""

import pytest

from tests.jobs.rows import change_job, claimed, finish, make_user, read_job, submit
from tests.options import resolved
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job
from video2mp3.errors import SourceNotFound, Unreachable
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import UNREACHABLE_LIMIT, Claim
from video2mp3.jobs.sources import JobSpec, RemoteSource
from video2mp3.jobs.transfers import TransferLimits, next_transfer, waiting_newcomers

W = "w" * 32
LIMITS = TransferLimits(8)


def order(database: Database, user_id: str, host: str = "a.example") -> Job:
    with database.write() as session:
        source = RemoteSource(f"https://{host}/talk.mp4", "talk.mp4")
        return lifecycle.submit(session, user_id, [JobSpec(resolved(), source=source)])[0]


def take(database: Database, turns: dict[str, int] | None = None, worker_id: str = W) -> Claim | None:
    turns = {} if turns is None else turns
    with database.write() as session:
        found = next_transfer(session, "fetch", worker_id, LIMITS, turns)
        if found is None:
            return None
        turns[found[1]] = max(turns.values(), default=0) + 1
        return lifecycle.claim_transfer(session, found[0], "fetch", worker_id)


def release(database: Database, claim: Claim) -> None:
    with database.write() as session:
        assert lifecycle.release(session, claim)


def test_one_user_has_a_quarter_of_a_worker_s_and_another_is_next(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    for _ in range(20):
        order(database, anna)
    taken = []
    while claim := take(database):
        taken.append(claim)
    assert len(taken) == LIMITS.of_a_user == 2
    bens = order(database, ben)
    following = take(database)
    assert following is not None
    assert following.job_id == bens.id
    # Another worker has as many of its own.
    assert take(database, worker_id="other") is not None


def test_users_of_whom_nothing_goes_on_take_turns(database: Database) -> None:
    """It should be so also where one slot is free again and again, whoever has waited with the most files."""
    users = [make_user(database) for _ in range(3)]
    for user_id in users:
        for _ in range(3):
            order(database, user_id)
    turns: dict[str, int] = {}
    served = []
    for _ in range(6):
        claim = take(database, turns)
        assert claim is not None
        served.append(claim.user_id)
        release(database, claim)
    assert served[:3] == served[3:]
    assert set(served) == set(users)


def test_the_last_places_are_for_users_who_have_none(database: Database) -> None:
    users = [make_user(database) for _ in range(6)]
    for user_id in users[:4]:
        for _ in range(3):
            order(database, user_id)
    taken = [take(database) for _ in range(8)]
    # Two each of two users, and one each of two more: the other places stay free.
    assert sum(claim is not None for claim in taken) == LIMITS.of_all - LIMITS.for_newcomers == 6
    for user_id in users[4:]:
        order(database, user_id)
    assert {claim.user_id for claim in (take(database), take(database)) if claim} == set(users[4:])


def test_a_host_at_its_bound_is_open_to_who_has_none_with_it(database: Database) -> None:
    """It should give the places of a host, and another user's first one with it besides."""
    users = [make_user(database) for _ in range(3)]
    for user_id in users:
        for _ in range(3):
            order(database, user_id)
    while take(database):
        pass
    newcomer = make_user(database)
    order(database, newcomer)
    claim = take(database)
    assert claim is not None
    assert claim.user_id == newcomer


def test_who_has_one_with_a_busy_host_gets_no_more_of_it(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TransferLimits, "to_a_host", 1)
    anna = make_user(database)
    order(database, anna)
    order(database, anna)
    elsewhere = order(database, anna, "b.example")
    first, second = take(database), take(database)
    assert first is not None
    assert second is not None
    assert second.job_id == elsewhere.id


def test_users_who_wait_and_have_none_are_counted(database: Database) -> None:
    anna, ben = make_user(database), make_user(database)
    for user_id in (anna, anna, ben, ben):
        order(database, user_id)
    assert newcomers(database) == 2
    taken = take(database)
    assert taken is not None
    assert newcomers(database) == 1
    release(database, taken)
    assert newcomers(database) == 2


def newcomers(database: Database) -> int:
    with database.read() as session:
        return waiting_newcomers(session, "fetch")


def test_a_dead_worker_s_fetch_is_taken_over(database: Database) -> None:
    """It should be the new worker's alone: what the old one brings late counts for nothing."""
    job = order(database, make_user(database))
    dead = take(database)
    assert dead is not None
    assert take(database) is None
    change_job(database, job.id, lease_until=1)
    with database.write() as session:
        assert lifecycle.reap(session) == 1
    owner = take(database, worker_id="other")
    assert owner is not None
    assert (owner.job_id, owner.fence) == (job.id, dead.fence + 1)
    with database.write() as session:
        assert lifecycle.heartbeat(session, dead, percent=0, done_s=0) == "lost"
        assert not lifecycle.fail(session, dead, SourceNotFound())
        assert lifecycle.heartbeat(session, owner, percent=0, done_s=0) == "held"
    row = read_job(database, job.id)
    assert (row.state, row.lost_leases) == ("waiting", 1)


def test_a_source_that_is_not_reached_is_tried_again_and_then_fails(database: Database) -> None:
    job = order(database, make_user(database))
    for tries in range(1, UNREACHABLE_LIMIT + 1):
        claim = take(database)
        assert claim is not None
        with database.write() as session:
            assert lifecycle.fail(session, claim, Unreachable())
        row = read_job(database, job.id)
        assert row.failures == tries
        assert take(database) is None
        change_job(database, job.id, not_before=1)
    assert (row.state, row.error_code, row.transfer) == ("failed", "unreachable", None)


def test_a_job_whose_file_is_fetched_is_canceled_at_once(database: Database) -> None:
    job = order(database, make_user(database))
    claim = take(database)
    assert claim is not None
    with database.write() as session:
        assert lifecycle.cancel(session, job.id, job.user_id).state == "canceled"
    with database.write() as session:
        assert lifecycle.heartbeat(session, claim, percent=0, done_s=0) == "lost"
    assert take(database) is None


@pytest.mark.parametrize("end", ["sent", "canceled", "refused"])
def test_a_result_is_stored_first_and_sent_then(end: str, database: Database) -> None:
    """It should hold no slot meanwhile, and leave no result where it is not finished."""
    anna = make_user(database)
    job = submit(database, anna, result_url="https://a.example/talk.mp3")
    assert finish(database, claimed(database, job.id), "results/key")
    row = read_job(database, job.id)
    assert (row.state, row.transfer, row.lease_until, row.percent) == ("processing", "send", None, 100)
    with database.write() as session:
        claim = lifecycle.claim_transfer(session, job.id, "send", W)
        assert claim is not None
        if end == "sent":
            assert lifecycle.sent(session, claim, retention_s=60)
            assert lifecycle.sent(session, claim, retention_s=60)  # the answer was lost
        elif end == "canceled":
            lifecycle.cancel(session, job.id, anna)
            assert not lifecycle.sent(session, claim, retention_s=60)
        else:
            assert lifecycle.fail(session, claim, SourceNotFound())
    row = read_job(database, job.id)
    assert row.state == {"sent": "finished", "canceled": "canceled", "refused": "failed"}[end]
    assert row.result_key == ("results/key" if end == "sent" else None)
    assert row.transfer is None
