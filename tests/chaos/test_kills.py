"""Whatever is killed, whenever: what was accepted is done, once."""

import random
import time
from collections.abc import Sequence

import pytest

from tests.chaos.client import Load
from tests.chaos.clips import Clip
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import RunCluster
from tests.chaos.figures import long, record
from tests.chaos.invariants import check
from tests.processes import descendants_of, is_running
from tests.servers import wait_until

# The lease, the reaper, and another try or two on a machine that is busy.
SETTLE_S = 300
_STORAGE_DELAY_S = 0.4


def kill_at_random(cluster: Cluster, load: Load, kind: str, *, kills: int, jobs: int, pause_s: float = 1.0) -> int:
    """Kills and restarts a random process of that kind, again and again, while jobs come in; returns how many had one.

    No process that a killed one had started may be left.
    """
    busy, left = 0, list[int]()
    # Some are ahead, so that no process is met without work.
    ahead = jobs // 2
    load.submit(ahead)
    for number in range(kills):
        load.submit((jobs - ahead) * (number + 1) // kills - (jobs - ahead) * number // kills)
        time.sleep(random.uniform(0.0, pause_s))
        victim = cluster.pick(kind)
        worker_id = cluster.worker_id(victim) if kind == "worker" else ""
        left += descendants_of(cluster.service.roles[victim].process.pid)
        cluster.kill(victim)
        busy += cluster.number("SELECT COUNT(*) FROM jobs WHERE lease_owner = :id", id=worker_id)
        cluster.restart(victim, wait=False)
    wait_until(lambda: not any(is_running(pid) for pid in left), 60, "the engines of the killed to end")
    return busy


def slow_down_storage(cluster: Cluster) -> None:
    """Makes jobs last longer without work for the processors, so that more of them are met in the middle."""
    for name in cluster.names("worker"):
        cluster.links[name].storage.delay(_STORAGE_DELAY_S)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("kills", "jobs"), [(100, 200)])
@long
def test_workers_are_killed(run_cluster: RunCluster, clips: Sequence[Clip], kills: int, jobs: int) -> None:
    """It should finish all jobs, each once, with the bytes of an undisturbed run."""
    with run_cluster() as cluster, Load(cluster, clips).signed_in() as load:
        slow_down_storage(cluster)
        busy = kill_at_random(cluster, load, "worker", kills=kills, jobs=jobs, pause_s=2.5)
        assert "" not in load.wait()
        assert cluster.settles(SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        assert len(load.log.accepted) == jobs
        lost = cluster.number("SELECT SUM(lost_leases) FROM jobs")
        record(1, f"{jobs} jobs, kill -9 of a random worker at {kills} random moments", f"{jobs} finished, once", "all")
        record(1, "… kills that met a worker with a job; leases lost", f"{busy}; {lost}")


@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("kills", "jobs"), [(100, 200)])
@long
def test_apis_are_killed(run_cluster: RunCluster, clips: Sequence[Clip], kills: int, jobs: int) -> None:
    """It should finish every job whose id a client got in a 2xx."""
    with run_cluster() as cluster, Load(cluster, clips, clients=4).signed_in() as load:
        kill_at_random(cluster, load, "api", kills=kills, jobs=jobs)
        assert "" not in load.wait()
        assert cluster.settles(SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        assert len(load.log.accepted) == jobs
        unanswered = load.log.statuses().get(0, 0)
        record(2, f"{jobs} jobs, kill -9 of a random API at {kills} random moments", f"{jobs} finished, once", "all")
        record(2, "… requests that were refused or cut off, and sent again", unanswered)
