"""Leases: a worker that stops, dies, is cut off or has a wrong clock neither loses a job nor works on another's."""

import os
import signal
import time
from collections.abc import Sequence

import pytest

from tests.chaos.client import Load
from tests.chaos.clips import Clip
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import RunCluster
from tests.chaos.figures import long, record
from tests.chaos.invariants import check
from tests.processes import engines_of, is_stopped
from tests.servers import wait_until
from video2mp3.outbox import claims

_SETTLE_S = 300
_SOON_S = 180
_CLAIMED = "SELECT COUNT(*) FROM jobs WHERE id = :id AND fence = :fence"
_FINISHED = "SELECT COUNT(*) FROM jobs WHERE state = 'finished'"
# Lets a ten-second clip take about a minute.
_SLOW_LINE_BYTES_PER_S = 4000


def submit(load: Load, clip: Clip) -> str:
    job_id = load.client().submit(clip)
    assert job_id is not None
    return job_id


def wait_for_claim(cluster: Cluster, job_id: str, fence: int) -> None:
    wait_until(lambda: cluster.number(_CLAIMED, id=job_id, fence=fence) == 1, _SOON_S, f"claim {fence}")


def slow_job(cluster: Cluster, load: Load, clip: Clip, name: str) -> str:
    """A job that the named worker, the only one, has begun and will be at for a minute; returns its id."""
    cluster.links[name].storage.throttle(_SLOW_LINE_BYTES_PER_S, "to_client")
    job_id = submit(load, clip)
    wait_for_claim(cluster, job_id, 1)
    pid = cluster.service.roles[name].process.pid
    wait_until(lambda: engines_of(pid), _SOON_S, "the engine to run")
    return job_id


@pytest.mark.timeout(900)
@pytest.mark.parametrize("when", ["converting", "before_finish"])
@long
def test_a_stopped_worker_comes_back_too_late(run_cluster: RunCluster, clips: Sequence[Clip], when: str) -> None:
    """It should be taken over; what it does late should change nothing, and its object should be gone."""
    with run_cluster(apis=1, workers=0) as cluster, Load(cluster, clips).signed_in() as load:
        stop = ("--failpoint", "before_finish:1:stop") if when == "before_finish" else ()
        pid = cluster.start("worker-1", *stop).process.pid
        if when == "converting":
            job_id = slow_job(cluster, load, clips[-1], "worker-1")
            os.kill(pid, signal.SIGSTOP)
        else:
            job_id = submit(load, clips[-1])
        wait_until(lambda: is_stopped(pid), _SOON_S, "the worker to stop")
        stopped_s = time.monotonic()
        cluster.start("worker-2")
        wait_for_claim(cluster, job_id, 2)
        record(5, f"worker stopped (SIGSTOP) {when}: taken over after, s", time.monotonic() - stopped_s, "≤ 45")
        assert cluster.settles(_SETTLE_S)
        before = cluster.query("SELECT * FROM jobs WHERE id = :id", id=job_id)
        os.kill(pid, signal.SIGCONT)
        # Its engine asks for the lease, or hears before that that the storage has closed the connection.
        ends = ("job_stopped", "conversion_failed") if when == "converting" else ("result_discarded",)
        wait_until(
            lambda: any(cluster.log_events("worker-1", event) for event in ends), _SOON_S, "the late worker to see it"
        )
        wait_until(lambda: not engines_of(pid), _SOON_S, "its engine to end")
        assert cluster.query("SELECT * FROM jobs WHERE id = :id", id=job_id) == before

        def own_objects() -> list[str]:
            return [stored.key for stored in cluster.storage.list(f"results/{job_id}/")]

        wait_until(lambda: own_objects() == [f"results/{job_id}/2.mp3"], _SOON_S, "its object to be deleted")
        assert check(cluster, load.log, outages=False) == []
        record(5, "… what it does late", "changes nothing, its object is deleted", "that")


@pytest.mark.timeout(900)
@long
def test_a_dead_worker_s_job_runs_again_soon(run_cluster: RunCluster, clips: Sequence[Clip]) -> None:
    """It should be claimed again when its lease is over."""
    slowest_s = 0.0
    with run_cluster(apis=1, workers=0) as cluster, Load(cluster, clips).signed_in() as load:
        for _ in range(3):
            cluster.start("worker-1")
            job_id = slow_job(cluster, load, clips[-1], "worker-1")
            cluster.kill("worker-1")
            died_s = time.monotonic()
            cluster.start("worker-2")
            wait_for_claim(cluster, job_id, 2)
            slowest_s = max(slowest_s, time.monotonic() - died_s)
            assert cluster.settles(_SETTLE_S)
            cluster.kill("worker-2")
        assert check(cluster, load.log, outages=False) == []
        record(5, "a dead worker's job runs again after at most, s", slowest_s, "≤ 45")


def cut_database(
    cluster: Cluster, load: Load, names: Sequence[str], *, seconds: float, jobs: int, silent: bool = False
) -> None:
    """Cuts processes off from the database for a while, under load; `silent`: as a line that swallows all."""
    databases = [cluster.links[name].database for name in names]
    load.submit(jobs // 2)
    finished = cluster.number(_FINISHED)
    wait_until(lambda: cluster.number(_FINISHED) > finished, _SOON_S, "jobs to go through")
    for database in databases:
        if silent:
            database.black_hole()
        else:
            database.refuse()
    load.submit(jobs - jobs // 2)
    time.sleep(seconds)
    for database in databases:
        database.heal()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("silent", [False, True])
@long
def test_the_database_is_cut_off(run_cluster: RunCluster, clips: Sequence[Clip], silent: bool) -> None:
    """It should lose nothing."""
    seconds, jobs = 60, 60
    with run_cluster() as cluster, Load(cluster, clips).signed_in() as load:
        cut_database(cluster, load, cluster.names(), seconds=seconds, jobs=jobs, silent=silent)
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S + claims.LEASE_S)
        assert check(cluster, load.log) == []
        how = "silent" if silent else "refused"
        record(7, f"database cut for {seconds} s under load ({how})", f"{jobs} jobs finished, once", "all")


@pytest.mark.timeout(900)
@long
def test_no_work_goes_on_under_an_expired_lease(run_cluster: RunCluster, clips: Sequence[Clip]) -> None:
    """It should kill the engine of a worker that is cut off from the database, before another may take the job."""
    with run_cluster(apis=1, workers=1) as cluster, Load(cluster, clips).signed_in() as load:
        job_id = slow_job(cluster, load, clips[-1], "worker-1")
        pid = cluster.service.roles["worker-1"].process.pid
        cluster.links["worker-1"].database.black_hole()
        left_us = "COALESCE(lease_until, 0) - CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)"
        left_s = 0.0
        while engines_of(pid):
            # Asked after looking: a lease that is over now was perhaps not over then.
            left_s = cluster.number(f"SELECT {left_us} FROM jobs WHERE id = :id", id=job_id) / 1e6
            assert left_s > -1, "the engine outlived the lease"
            time.sleep(0.05)
        record(7, "worker cut off from the database: its engine ends before the lease does, by s", left_s, "> 0")
        cluster.start("worker-2")
        wait_for_claim(cluster, job_id, 2)
        cluster.links["worker-1"].database.heal()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log) == []


@pytest.mark.timeout(900)
@long
def test_a_wrong_clock_takes_nothing_over_early(run_cluster: RunCluster, clips: Sequence[Clip]) -> None:
    """It should leave all jobs to their workers, though they last longer than a lease."""
    with run_cluster(apis=1, workers=0) as cluster, Load(cluster, clips[-1:]).signed_in() as load:
        for number, clock in enumerate(("0", "3600", "-3600"), 1):
            cluster.start(f"worker-{number}", "--clock", clock)
            cluster.links[f"worker-{number}"].storage.throttle(_SLOW_LINE_BYTES_PER_S, "to_client")
        cluster.start("api-2", "--clock", "3600")
        load.submit(3)
        load._clips = iter([])  # type: ignore[assignment]
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        assert cluster.query("SELECT DISTINCT fence, lost_leases FROM jobs") == [(1, 0)]
        shortest_s = cluster.number("SELECT MIN(ended_at - started_at) FROM jobs") / 1e6
        record(
            7, f"clocks of two workers and an API off by ±1 h, jobs of {shortest_s:.0f} s and more", "0 taken over", "0"
        )
