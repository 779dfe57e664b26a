from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.jobs.rows import (
    change_job,
    claim,
    claimed,
    finish,
    make_upload,
    make_user,
    notifications_of,
    read_job,
    seconds_from_now,
    submit,
)
from tests.options import resolved
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import (
    Canceled,
    Conflict,
    EngineCrashed,
    IdempotencyKeyReused,
    InvalidOption,
    NoAudio,
    NotFound,
    StorageUnavailable,
    Unreachable,
    UploadDamaged,
    UploadDeleted,
    Video2mp3Error,
    WorkerLost,
)
from video2mp3.jobs import lifecycle
from video2mp3.jobs.idempotency import Idempotency
from video2mp3.jobs.lifecycle import Claim


def _fail(database: Database, claim: Claim, error: Video2mp3Error) -> bool:
    with database.write() as session:
        return lifecycle.fail(session, claim, error)


def _release(database: Database, claim: Claim) -> bool:
    with database.write() as session:
        return lifecycle.release(session, claim)


def _cancel(database: Database, job: Job) -> Job:
    with database.write() as session:
        return lifecycle.cancel(session, job.id, job.user_id)


def _beat(database: Database, claim: Claim, percent: int = 50) -> str:
    with database.write() as session:
        return lifecycle.heartbeat(session, claim, percent=percent, done_s=30.0)


def _reap(database: Database) -> int:
    with database.write() as session:
        return lifecycle.reap(session)


# -- Submit -------------------------------------------------------------------------------------------


def test_a_submitted_job_is_queued_with_what_its_owner_asked_for(database: Database, user_id: str) -> None:
    upload_id = make_upload(database, user_id, name="Vortrag.mp4")
    job = submit(database, user_id, upload_id, options={"bitrate_kbps": 128}, tag="für später", priority=0)
    row = read_job(database, job.id)
    assert (row.state, row.options, row.tag, row.priority) == ("queued", resolved(bitrate_kbps=128), "für später", 0)
    assert (row.upload_id, row.source_name, row.source_size_bytes) == (upload_id, "Vortrag.mp4", 1000)
    assert seconds_from_now(database, job.created_at) == pytest.approx(0, abs=10)


def test_the_same_idempotency_key_makes_one_job(database: Database, user_id: str) -> None:
    first = submit(database, user_id, idempotency=Idempotency("k", "a" * 64))
    again = submit(database, user_id, idempotency=Idempotency("k", "a" * 64))
    others = submit(database, make_user(database), idempotency=Idempotency("k", "a" * 64))
    assert again.id == first.id
    assert others.id != first.id
    with pytest.raises(IdempotencyKeyReused):
        submit(database, user_id, idempotency=Idempotency("k", "b" * 64))


def test_requests_with_one_idempotency_key_at_the_same_time_make_one_job(database: Database, user_id: str) -> None:
    upload_id = make_upload(database, user_id)
    barrier = Barrier(4)

    def request(_: int) -> str:
        barrier.wait()
        return submit(database, user_id, upload_id, idempotency=Idempotency("k", "a" * 64)).id

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(request, range(4)))) == 1


def test_another_user_s_upload_cannot_be_converted(database: Database, user_id: str) -> None:
    with pytest.raises(NotFound):
        submit(database, user_id, make_upload(database, make_user(database)))


def test_a_job_waits_for_its_upload(database: Database, user_id: str) -> None:
    upload_id = make_upload(database, user_id, state="open")
    job = submit(database, user_id, upload_id)
    with database.write() as session:
        assert lifecycle.upload_completed(session, upload_id) == 0
    assert read_job(database, job.id).state == "waiting"
    assert claim(database, job.id) is None
    with database.write() as session:
        session.get_one(Upload, upload_id).state = "complete"
        session.flush()
        assert lifecycle.upload_completed(session, upload_id) == 1
    assert claim(database, job.id) is not None


# -- Claim, heartbeat, finish -------------------------------------------------------------------------


def test_of_two_workers_that_claim_one_job_one_gets_it(database: Database, user_id: str) -> None:
    for _ in range(10):
        job, barrier = submit(database, user_id), Barrier(2)

        def race(worker_id: str, job_id: str = job.id, barrier: Barrier = barrier) -> Claim | None:
            barrier.wait()
            return claim(database, job_id, worker_id)

        with ThreadPoolExecutor(2) as pool:
            claims = [taken for taken in pool.map(race, ("a" * 32, "b" * 32)) if taken]
        row = read_job(database, job.id)
        assert [taken.fence for taken in claims] == [row.fence] == [1]
        assert row.state == "processing"


def test_a_claim_holds_for_its_lease_and_a_heartbeat_renews_it(database: Database, user_id: str) -> None:
    taken = claimed(database, submit(database, user_id).id)
    lease_until = read_job(database, taken.job_id).lease_until
    assert lease_until is not None
    assert 20 < seconds_from_now(database, lease_until) <= lifecycle.LEASE_S
    change_job(database, taken.job_id, lease_until=lease_until - 25_000_000)
    assert _beat(database, taken, percent=70) == "held"
    row = read_job(database, taken.job_id)
    assert row.lease_until is not None
    assert row.lease_until >= lease_until
    assert (row.percent, row.done_s) == (70, 30.0)


def test_a_job_in_backoff_is_not_claimed_before_its_time(database: Database, user_id: str) -> None:
    job = submit(database, user_id)
    change_job(database, job.id, not_before=job.created_at + 60_000_000)
    assert claim(database, job.id) is None
    change_job(database, job.id, not_before=job.created_at)
    assert claim(database, job.id) is not None


def test_a_finished_job_has_its_result_and_one_notification(database: Database, user_id: str) -> None:
    taken = claimed(database, submit(database, user_id).id)
    assert finish(database, taken)
    row = read_job(database, taken.job_id)
    assert (row.state, row.percent, row.result_key) == ("finished", 100, f"results/{row.id}/1.mp3")
    assert (row.result_size_bytes, row.result_duration_s, row.report) == (1000, 1.5, {"samples": 72_000})
    assert (row.lease_owner, row.lease_until) == (None, None)
    assert row.expires_at is not None
    assert seconds_from_now(database, row.expires_at) == pytest.approx(3600, abs=30)
    assert [(n.kind, n.state) for n in notifications_of(database, row.id)] == [("email", "queued")]


def test_finishing_again_after_a_lost_answer_is_still_finished(database: Database, user_id: str) -> None:
    taken = claimed(database, submit(database, user_id).id)
    assert finish(database, taken)
    assert finish(database, taken)
    assert len(notifications_of(database, taken.job_id)) == 1


def test_a_late_finish_of_a_lost_lease_changes_nothing(database: Database, user_id: str) -> None:
    late = claimed(database, submit(database, user_id).id)
    change_job(database, late.job_id, lease_until=1)
    assert _reap(database) == 1
    assert not finish(database, late)
    assert not _fail(database, late, NoAudio())
    assert not _release(database, late)
    assert _beat(database, late) == "lost"
    second = claimed(database, late.job_id)
    assert not finish(database, late)
    assert read_job(database, late.job_id).state == "processing"
    assert finish(database, second)
    assert not finish(database, late)
    assert read_job(database, late.job_id).result_key == f"results/{late.job_id}/2.mp3"


# -- Failures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [NoAudio(), UploadDeleted(), InvalidOption("bitrate_kbps: 7 is not an MP3 bitrate.")])
def test_what_cannot_get_better_fails_at_once(database: Database, user_id: str, error: Video2mp3Error) -> None:
    taken = claimed(database, submit(database, user_id).id)
    assert _fail(database, taken, error)
    row = read_job(database, taken.job_id)
    assert (row.state, row.error_code, row.error_detail) == ("failed", error.code, error.detail)
    assert len(notifications_of(database, row.id)) == 1


def about(backoff_s: float) -> Any:
    """A back-off, of which up to a tenth is taken off at random; the test itself takes a while, too."""
    return pytest.approx(0.95 * backoff_s, abs=0.05 * backoff_s + 3)


def test_a_crash_of_the_engine_is_tried_three_times(database: Database, user_id: str) -> None:
    job_id = submit(database, user_id).id
    for failures in (1, 2):
        assert _fail(database, claimed(database, job_id), EngineCrashed())
        row = read_job(database, job_id)
        assert (row.state, row.failures, row.error_code) == ("queued", failures, None)
        assert 0 < seconds_from_now(database, row.not_before) <= 4
        assert notifications_of(database, job_id) == []
    assert _fail(database, claimed(database, job_id), EngineCrashed())
    row = read_job(database, job_id)
    assert (row.state, row.failures, row.error_code) == ("failed", 3, "engine_crashed")


def test_a_damaged_upload_is_tried_three_times_minutes_apart(database: Database, user_id: str) -> None:
    job_id = submit(database, user_id).id
    waits = []
    for _ in range(2):
        assert _fail(database, claimed(database, job_id), UploadDamaged())
        row = read_job(database, job_id)
        assert row.state == "queued"
        waits.append(seconds_from_now(database, row.not_before))
    assert waits == [about(60), about(120)]
    assert _fail(database, claimed(database, job_id), UploadDamaged())
    assert (read_job(database, job_id).state, read_job(database, job_id).error_code) == ("failed", "upload_damaged")


def test_a_server_of_others_is_tried_five_times_within_half_an_hour(database: Database, user_id: str) -> None:
    job_id = submit(database, user_id).id
    waits = []
    for _ in range(lifecycle.UNREACHABLE_LIMIT - 1):
        assert _fail(database, claimed(database, job_id), Unreachable())
        row = read_job(database, job_id)
        assert row.state == "queued"
        waits.append(seconds_from_now(database, row.not_before))
    assert waits == [about(15), about(60), about(240), about(960)]
    assert _fail(database, claimed(database, job_id), Unreachable())
    row = read_job(database, job_id)
    assert (row.state, row.error_code, row.failures) == ("failed", "unreachable", 5)


def test_an_outage_is_not_counted_and_waits_longer_each_time(database: Database, user_id: str) -> None:
    job_id = submit(database, user_id).id
    waits = []
    for _ in range(20):
        assert _fail(database, claimed(database, job_id), StorageUnavailable())
        row = read_job(database, job_id)
        assert (row.state, row.failures, row.lost_leases, row.announced_until) == ("queued", 0, 0, 0)
        waits.append(seconds_from_now(database, row.not_before))
    assert waits[:3] == [about(5), about(10), about(20)]
    assert waits[-1] == about(300)


def test_failures_and_lost_leases_do_not_lengthen_the_wait_after_an_outage(database: Database, user_id: str) -> None:
    job_id = submit(database, user_id).id
    _fail(database, claimed(database, job_id), EngineCrashed())
    for _ in range(4):
        claimed(database, job_id)
        change_job(database, job_id, lease_until=1)
        _reap(database)
    _fail(database, claimed(database, job_id), StorageUnavailable())
    assert seconds_from_now(database, read_job(database, job_id).not_before) == about(5)


def test_a_released_job_is_queued_at_once_and_nothing_is_counted(database: Database, user_id: str) -> None:
    job_id = submit(database, user_id).id
    assert _release(database, claimed(database, job_id))
    row = read_job(database, job_id)
    assert (row.state, row.failures, row.lost_leases, row.announced_until) == ("queued", 0, 0, 0)
    assert claim(database, job_id) is not None


# -- The reaper ---------------------------------------------------------------------------------------


def test_a_dead_worker_s_job_is_queued_at_once_and_counted_apart(database: Database, user_id: str) -> None:
    dead, alive = (claimed(database, submit(database, user_id).id) for _ in range(2))
    change_job(database, dead.job_id, lease_until=1, announced_until=9 * 10**15)
    assert _reap(database) == 1
    row = read_job(database, dead.job_id)
    assert (row.state, row.lost_leases, row.failures, row.announced_until) == ("queued", 1, 0, 0)
    assert read_job(database, alive.job_id).state == "processing"
    assert claim(database, dead.job_id) is not None


def test_a_job_that_lost_ten_workers_has_failed(database: Database, user_id: str) -> None:
    job_id = submit(database, user_id).id
    for lost in range(1, 11):
        assert read_job(database, job_id).state == "queued"
        claimed(database, job_id)
        change_job(database, job_id, lease_until=1)
        assert _reap(database) == 1
        assert read_job(database, job_id).lost_leases == lost
    row = read_job(database, job_id)
    assert (row.state, row.error_code) == ("failed", WorkerLost.code)
    assert len(notifications_of(database, job_id)) == 1


def test_reapers_in_several_processes_count_a_lost_lease_once(database: Database, user_id: str) -> None:
    jobs = [submit(database, user_id).id for _ in range(10)]
    for job_id in jobs:
        claimed(database, job_id)
        change_job(database, job_id, lease_until=1)
    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(_reap, [database] * 3)) == 10
    assert {read_job(database, job_id).lost_leases for job_id in jobs} == {1}


def test_a_job_that_waits_for_an_expired_upload_fails(database: Database, user_id: str) -> None:
    lost, patient = (submit(database, user_id, make_upload(database, user_id, state="open")) for _ in range(2))
    assert lost.upload_id is not None
    with database.write() as session:
        session.get_one(Upload, lost.upload_id).expires_at = 1
    assert _reap(database) == 1
    assert read_job(database, lost.id).error_code == "upload_deleted"
    assert read_job(database, patient.id).state == "waiting"


# -- Cancel, retry, delete ----------------------------------------------------------------------------


def test_a_queued_job_is_canceled_at_once(database: Database, user_id: str) -> None:
    job = submit(database, user_id)
    assert _cancel(database, job).state == "canceled"
    assert claim(database, job.id) is None
    assert notifications_of(database, job.id) == []


def test_a_running_job_s_worker_hears_of_the_cancel_at_its_next_heartbeat(database: Database, user_id: str) -> None:
    job = submit(database, user_id)
    taken = claimed(database, job.id)
    assert _beat(database, taken) == "held"
    assert _cancel(database, job).state == "processing"
    assert _beat(database, taken) == "cancel"
    assert _fail(database, taken, Canceled())
    assert read_job(database, job.id).state == "canceled"


@pytest.mark.parametrize("end", ["finish", "crash", "outage", "release", "reap"])
def test_a_cancel_that_came_first_wins(database: Database, user_id: str, end: str) -> None:
    job = submit(database, user_id)
    taken = claimed(database, job.id)
    _cancel(database, job)
    if end == "finish":
        assert not finish(database, taken)
    elif end == "crash":
        assert _fail(database, taken, EngineCrashed())
    elif end == "outage":
        assert _fail(database, taken, StorageUnavailable())
    elif end == "release":
        assert _release(database, taken)
    else:
        change_job(database, job.id, lease_until=1)
        assert _reap(database) == 1
    row = read_job(database, job.id)
    assert (row.state, row.result_key, row.lease_owner) == ("canceled", None, None)
    assert notifications_of(database, job.id) == []


def test_a_job_that_has_ended_cannot_be_canceled(database: Database, user_id: str) -> None:
    job = submit(database, user_id)
    finish(database, claimed(database, job.id))
    with pytest.raises(Conflict):
        _cancel(database, job)
    assert read_job(database, job.id).state == "finished"


def test_cancel_against_finish_leaves_one_end(database: Database, user_id: str) -> None:
    for _ in range(60):
        job, barrier = submit(database, user_id), Barrier(2)
        taken = claimed(database, job.id)

        def cancel(job: Job = job, barrier: Barrier = barrier) -> bool:
            barrier.wait()
            try:
                _cancel(database, job)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            canceled = pool.submit(cancel)
            barrier.wait()
            finished = finish(database, taken)
        assert finished != canceled.result()
        assert read_job(database, job.id).state == ("finished" if finished else "canceled")


def test_a_retry_is_a_new_job_of_the_same_upload(database: Database, user_id: str) -> None:
    job = submit(database, user_id, options={"vbr_quality": 2}, tag="t", idempotency=Idempotency("k", None))
    with pytest.raises(Conflict), database.write() as session:
        lifecycle.retry(session, job.id, user_id)
    _cancel(database, job)
    with database.write() as session:
        again = lifecycle.retry(session, job.id, user_id)
    assert again.id != job.id
    assert (again.state, again.upload_id, again.options, again.tag) == ("queued", job.upload_id, job.options, "t")
    assert read_job(database, job.id).state == "canceled"


def test_a_retry_needs_the_upload(database: Database, user_id: str) -> None:
    job = submit(database, user_id)
    _cancel(database, job)
    with database.write() as session:
        session.delete(session.get_one(Upload, job.upload_id))
    with pytest.raises(UploadDeleted), database.write() as session:
        lifecycle.retry(session, job.id, user_id)


def test_an_ended_job_is_deleted_with_its_notification_and_gives_back_its_object(
    database: Database, user_id: str
) -> None:
    job = submit(database, user_id)
    with pytest.raises(Conflict), database.write() as session:
        lifecycle.delete(session, job.id, user_id)
    finish(database, claimed(database, job.id))
    with database.write() as session:
        assert lifecycle.delete(session, job.id, user_id) == [f"results/{job.id}/1.mp3"]
    assert notifications_of(database, job.id) == []
    with pytest.raises(NotFound), database.read() as session:
        lifecycle.find(session, job.id, user_id)


def test_another_user_s_job_is_not_there(database: Database, user_id: str) -> None:
    job, other = submit(database, user_id), make_user(database)
    for call in (lifecycle.find, lifecycle.cancel, lifecycle.retry, lifecycle.delete):
        with pytest.raises(NotFound), database.write() as session:
            call(session, job.id, other)
    with database.read() as session:
        assert lifecycle.list_page(session, other, before_id=None, limit=10) == []
        assert lifecycle.find(session, job.id, user_id).state == "queued"


def test_jobs_are_listed_page_by_page_the_newest_first(database: Database, user_id: str) -> None:
    ids = sorted((submit(database, user_id).id for _ in range(5)), reverse=True)
    with database.read() as session:
        first = lifecycle.list_page(session, user_id, before_id=None, limit=3)
        rest = lifecycle.list_page(session, user_id, before_id=first[-1].id, limit=3)
    assert [job.id for job in first + rest] == ids


def test_an_expired_result_is_forgotten_and_the_report_stays(database: Database, user_id: str) -> None:
    old, new = (claimed(database, submit(database, user_id).id) for _ in range(2))
    finish(database, old)
    finish(database, new)
    change_job(database, old.job_id, expires_at=1)
    with database.write() as session:
        assert lifecycle.expire(session, limit=10) == (1, [f"results/{old.job_id}/1.mp3"])
        assert lifecycle.expire(session, limit=10) == (0, [])
    row = read_job(database, old.job_id)
    assert (row.state, row.result_key, row.report) == ("finished", None, {"samples": 72_000})
    assert read_job(database, new.job_id).result_key is not None
