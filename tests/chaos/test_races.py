"""Cancel against finish, and every order of everything: one end for each job, never changed after."""

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos.client import Load
from tests.chaos.clips import Clip
from tests.chaos.conftest import RunCluster
from tests.chaos.figures import LONG, long, record
from tests.chaos.invariants import check
from tests.chaos.test_kills import slow_down_storage
from tests.chaos.test_leases import slow_job
from tests.jobs.rows import claimed, finish, make_upload, make_user, notifications_of, read_job, submit
from tests.processes import engines_of
from tests.servers import MariaDBServer, wait_until
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.errors import Conflict
from video2mp3.jobs import lifecycle

_SETTLE_S = 300


def race(database: Database, pool: ThreadPoolExecutor, user_id: str, upload_id: str, head_start_s: float) -> str:
    """Lets a cancel and a finish of one job start at once; the finish first by so much. Returns the job's end."""
    job = submit(database, user_id, upload_id)
    claim = claimed(database, job.id)
    barrier = threading.Barrier(2)

    def cancel() -> bool:
        barrier.wait()
        if head_start_s > 0:
            time.sleep(head_start_s)
        try:
            with database.write() as session:
                lifecycle.cancel(session, job.id, user_id)
        except Conflict:
            return False
        return True

    canceled = pool.submit(cancel)
    barrier.wait()
    if head_start_s < 0:
        time.sleep(-head_start_s)
    finished = finish(database, claim)
    assert finished != canceled.result()
    ended = read_job(database, job.id)
    assert ended.state == ("finished" if finished else "canceled")
    # Nothing that comes late changes it.
    assert finish(database, claim, f"results/{job.id}/late.mp3") is False
    with database.write() as session:
        lifecycle.reap(session)
    after = read_job(database, job.id)
    assert (after.state, after.result_key, after.ended_at) == (ended.state, ended.result_key, ended.ended_at)
    assert len(notifications_of(database, job.id)) == (1 if finished else 0)
    return ended.state


@pytest.mark.timeout(900)
@pytest.mark.parametrize("races", [1000 if LONG else 100])
def test_cancel_races_against_finish(mariadb: MariaDBServer, races: int) -> None:
    """It should have one winner each time, and each side should win often enough to call it a race."""
    database = Database(mariadb.new_database())
    migrate.upgrade(database)
    user_id = make_user(database)
    upload_id = make_upload(database, user_id)
    ends = []
    # The head start goes to whoever has won too often: so the two meet, whatever the machine is like.
    head_start_s = 0.0
    with ThreadPoolExecutor(1) as pool:
        for _ in range(races):
            ends.append(race(database, pool, user_id, upload_id, head_start_s))
            head_start_s += -0.0002 if ends[-1] == "finished" else 0.0002
    database.close()
    finished = ends.count("finished")
    assert races // 10 <= finished <= races - races // 10
    record(
        8,
        f"{races} races of cancel against finish: won by finish / cancel",
        f"{finished} / {races - finished}",
        "≥ 10 % each",
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("jobs", [60])
@long
def test_jobs_are_canceled_at_random_moments(run_cluster: RunCluster, clips: Sequence[Clip], jobs: int) -> None:
    """It should end each job once: a cancel that was accepted is kept."""
    with run_cluster() as cluster, Load(cluster, clips).signed_in() as load:
        slow_down_storage(cluster)

        def submit_and_cancel(number: int) -> int:
            client = load.client()
            job_id = client.submit(clips[number % len(clips)])
            assert job_id is not None
            time.sleep(random.uniform(0, 1))
            status = client.cancel(job_id)
            if status != 204:
                client.state(job_id)
            return status

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(submit_and_cancel, range(jobs)))
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        counts = [statuses.count(status) for status in (200, 202, 204)]
        what = f"{jobs} jobs canceled at random moments, which were waiting / processing / ended"
        record(8, what, " / ".join(map(str, counts)))


@pytest.mark.timeout(900)
@long
def test_a_cancel_is_quick(run_cluster: RunCluster, clips: Sequence[Clip]) -> None:
    """It should cancel a waiting job at once, and a running one with its engine at the next heartbeat."""
    waiting_s: list[float] = []
    processing_s: list[float] = []
    with run_cluster(apis=1, workers=1) as cluster, Load(cluster, clips).signed_in() as load:
        client = load.client()
        pid = cluster.service.roles["worker-1"].process.pid
        for _ in range(5):
            running = slow_job(cluster, load, clips[-1], "worker-1")
            queued = client.submit(clips[0])
            assert queued is not None
            for job_id, took_s in ((queued, waiting_s), (running, processing_s)):
                started_s = time.monotonic()
                client.cancel(job_id)
                wait_until(lambda job_id=job_id: client.state(job_id) == "canceled", 60, "the cancel")  # type: ignore[misc]
                took_s.append(time.monotonic() - started_s)
            wait_until(lambda: not engines_of(pid), 60, "the engine to end")
        assert check(cluster, load.log, outages=False) == []
    record(8, "cancel of a waiting job, slowest of 5, s", max(waiting_s), "≤ 1")
    record(8, "cancel of a running job, slowest of 5, engine ended, s", max(processing_s), "≤ 12")
