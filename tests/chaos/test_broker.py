"""The broker dies, forgets, blocks, and hands out garbage and doubles: the rows know better."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.chaos.client import Load
from tests.chaos.clips import Clip
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import RunCluster
from tests.chaos.figures import long, record
from tests.chaos.invariants import check
from tests.servers import wait_until

_SETTLE_S = 300
_FINISHED = "SELECT COUNT(*) FROM jobs WHERE state = 'finished'"


def kill_broker(cluster: Cluster, load: Load, *, kills: int, jobs: int) -> None:
    """Kills the broker and starts it again, so many times; each time waits until a job goes through."""
    for number in range(kills):
        load.submit(jobs * (number + 1) // kills - jobs * number // kills)
        time.sleep(random.uniform(0.0, 1.0))
        cluster.servers.rabbitmq.kill()
        cluster.servers.rabbitmq.start()
        load.submit(1)
        finished = cluster.number(_FINISHED)
        wait_until(lambda finished=finished: cluster.number(_FINISHED) > finished, _SETTLE_S, "a job to go through")  # type: ignore[misc]


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("kills", [20])
@long
def test_the_broker_is_killed(run_cluster: RunCluster, clips: Sequence[Clip], kills: int) -> None:
    """It should finish all jobs."""
    with run_cluster() as cluster, Load(cluster, clips).signed_in() as load:
        kill_broker(cluster, load, kills=kills, jobs=5 * kills)
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log) == []
        record(4, f"broker killed {kills} times under load", f"{len(load.log.accepted)} jobs finished, once", "all")


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("jobs", [100])
@long
def test_the_broker_forgets_all(run_cluster: RunCluster, clips: Sequence[Clip], jobs: int) -> None:
    """It should finish all jobs that were queued when the broker's data was wiped."""
    with run_cluster(workers=0) as cluster, Load(cluster, clips).signed_in() as load:
        load.submit(jobs)
        assert "" not in load.wait()
        wait_until(lambda: cluster.depth("video") > 0, 60, "messages to be in the broker")
        cluster.servers.rabbitmq.kill()
        cluster.servers.rabbitmq.start(wipe=True)
        back_s = time.monotonic()
        for number in range(3):
            cluster.start(f"worker-{number + 1}", wait=False)
        wait_until(lambda: cluster.number(_FINISHED) > 0, _SETTLE_S, "the first job to finish")
        record(4, "first job finished after the broker had come back empty, s", time.monotonic() - back_s)
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log) == []
        record(4, f"broker's data wiped with {jobs} jobs queued", f"{jobs} finished, once", "all")


@contextmanager
def memory_alarm(cluster: Cluster) -> Iterator[None]:
    """The broker believes that it has no memory left, and reads nothing from those who publish."""
    cluster.servers.rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1")
    yield
    cluster.servers.rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seconds", [180])
@long
def test_the_broker_is_away_and_then_blocked(run_cluster: RunCluster, clips: Sequence[Clip], seconds: int) -> None:
    """It should take jobs all the time, without delay, and finish them when the broker is back."""
    with run_cluster() as cluster, Load(cluster, clips, clients=1).signed_in() as load:
        cluster.servers.rabbitmq.kill()
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            load.submit(1)
            assert "" not in load.wait()
            load.client().state(next(reversed(load.log.accepted)))
            time.sleep(3)
        assert load.log.statuses().keys() <= {200, 201, 202}
        record(4, f"slowest answer while the broker is away for {seconds} s, s", load.log.slowest_s(), "≤ 2")
        taken = len(load.log.accepted)
        cluster.servers.rabbitmq.start()
        assert cluster.settles(_SETTLE_S)
        record(4, "… jobs taken meanwhile", f"{taken}, all finished", "all")
        load.log.attempts.clear()
        with memory_alarm(cluster):
            for _ in range(10):
                load.submit(1)
                assert "" not in load.wait()
                load.client().state(next(reversed(load.log.accepted)))
            assert load.log.statuses().keys() <= {200, 201, 202}
            record(4, "slowest answer while the broker blocks (memory alarm), s", load.log.slowest_s(), "≤ 3")
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log) == []


def publish_garbage(cluster: Cluster, count: int) -> None:
    """Puts messages into the queue of the workers that name no job."""
    cluster.publish("video", *(random.randbytes(random.randint(0, 2000)) for _ in range(count // 2)))
    cluster.publish("video", *([b'{"job_id": null, "video_fid": "x"}'] * (count - count // 2)))


def wait_of(cluster: Cluster, load: Load, jobs: int) -> float:
    """Submits jobs one by one; returns the longest time in seconds from a row's making to its start."""
    ids = []
    for _ in range(jobs):
        load.submit(1)
        ids.append(load.wait()[-1])
        assert cluster.settles(_SETTLE_S)
    rows = cluster.query("SELECT id, started_at - created_at FROM jobs")
    return max(float(waited) for job_id, waited in rows if job_id in ids) / 1e6


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("garbage", [1000])
@long
def test_garbage_and_doubles_in_the_broker(run_cluster: RunCluster, clips: Sequence[Clip], garbage: int) -> None:
    """It should put the garbage aside and do each job once, though every message comes five times."""
    with run_cluster(options=("--deliveries", "5")) as cluster, Load(cluster, clips).signed_in() as load:
        undisturbed_s = wait_of(cluster, load, 3)
        pids = {name: role.process.pid for name, role in cluster.service.roles.items()}
        publish_garbage(cluster, garbage)
        cluster.publish("mp3", b'{"job_id": 7}', b"[" * 5000)
        disturbed_s = wait_of(cluster, load, 5)
        wait_until(lambda: cluster.depth("video.dead") == garbage, 300, "all garbage to be put aside")
        wait_until(lambda: cluster.depth("mp3.dead") == 2, 300, "the garbage of notifications, too")
        assert pids == {name: role.process.pid for name, role in cluster.service.roles.items()}
        assert all(role.process.poll() is None for role in cluster.service.roles.values())
        load.submit(20)
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        record(6, f"{garbage} garbage messages: a good job waits longer by, s", disturbed_s - undisturbed_s, "≤ 5")
        record(6, "… workers that ended", 0, "0")
        record(6, "every message delivered 5 times", f"{len(load.log.accepted)} jobs, one result each", "all")
