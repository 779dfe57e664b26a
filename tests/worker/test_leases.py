import time
from collections.abc import Iterator

import pytest

from tests.jobs.rows import change_job, claimed, make_user, read_job, submit
from tests.servers import wait_until
from tests.worker.system import System
from video2mp3.database.connection import Database
from video2mp3.engine import Progress
from video2mp3.errors import DatabaseUnavailable
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim
from video2mp3.worker.leases import HEARTBEAT_S, LOST_AFTER_S, Heartbeat, Lease


@pytest.fixture
def taken(embedded: System) -> Claim:
    return claimed(embedded.database, submit(embedded.database, make_user(embedded.database)).id)


@pytest.fixture
def away() -> Iterator[Database]:
    """A database that does not answer."""
    database = Database("mysql+pymysql://nobody@127.0.0.1:1/nothing")
    yield database
    database.close()


def _lease(claim: Claim, age_s: float = 0, *, drain_is_over: bool = False) -> Lease:
    return Lease(claim, time.monotonic() - age_s, lambda: drain_is_over)


def test_work_ends_before_the_lease_does_when_no_heartbeat_succeeds(taken: Claim, away: Database) -> None:
    assert LOST_AFTER_S < lifecycle.LEASE_S
    lease = _lease(taken, age_s=LOST_AFTER_S - 5)
    with pytest.raises(DatabaseUnavailable):
        lease.renew(away)
    assert not lease.should_stop()
    late = _lease(taken, age_s=LOST_AFTER_S + 1)
    assert late.should_stop()
    assert late.stop_reason == "lost"


def test_a_heartbeat_that_succeeds_keeps_the_work_going(embedded: System, taken: Claim) -> None:
    lease = _lease(taken, age_s=LOST_AFTER_S - 5)
    assert lease.is_due()
    lease.renew(embedded.database)
    assert not lease.is_due()
    assert not lease.should_stop()


def test_new_progress_is_written_sooner_than_the_next_heartbeat(embedded: System, taken: Claim) -> None:
    lease = _lease(taken, age_s=HEARTBEAT_S / 2)
    assert not lease.is_due()
    lease.record_progress(Progress(done_s=30, total_s=60))
    assert lease.is_due()
    lease.renew(embedded.database)
    assert not lease.is_due()
    row = read_job(embedded.database, taken.job_id)
    assert (row.percent, row.done_s) == (50, 30)


def test_the_reason_to_stop_stays_the_first_one(embedded: System, taken: Claim) -> None:
    with embedded.database.write() as session:
        lifecycle.cancel(session, taken.job_id, taken.user_id)
    lease = _lease(taken)
    lease.renew(embedded.database)
    assert lease.should_stop()
    change_job(embedded.database, taken.job_id, state="queued")
    lease.renew(embedded.database)
    assert lease.should_stop()
    assert lease.stop_reason == "cancel"


def test_a_lost_job_is_given_no_more_heartbeats(embedded: System, taken: Claim) -> None:
    lease = _lease(taken, age_s=HEARTBEAT_S)
    change_job(embedded.database, taken.job_id, state="queued")
    lease.renew(embedded.database)
    assert lease.should_stop()
    assert lease.stop_reason == "lost"
    assert not lease.is_due()


def test_work_goes_on_while_the_drain_s_grace_lasts(taken: Claim) -> None:
    assert not _lease(taken).should_stop()
    assert _lease(taken, drain_is_over=True).should_stop()


def test_one_lease_that_cannot_be_renewed_holds_up_no_other(embedded: System, taken: Claim) -> None:
    bad = _lease(taken, age_s=HEARTBEAT_S)
    bad._progress = "not a progress"  # type: ignore[assignment]  # a bug
    good = _lease(taken, age_s=HEARTBEAT_S)
    heartbeat = Heartbeat(embedded.database, "w" * 32, slots=lambda: 2, on_drain_requested=lambda: None)
    bad.is_due = lambda: True  # type: ignore[method-assign]
    with heartbeat.renewing(bad), heartbeat.renewing(good):
        heartbeat.start()
        try:
            wait_until(lambda: not good.is_due(), 20, "the good lease's heartbeat")
            wait_until(lambda: embedded.workers(), 20, "the worker's row")
        finally:
            heartbeat.stop()
    assert embedded.workers() == []
