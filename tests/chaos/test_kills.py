"""Whatever is killed, whenever: what was accepted is done, once."""

import random
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos import failpoints
from tests.chaos.client import Load
from tests.chaos.clips import Clip
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import RunCluster
from tests.chaos.figures import long, record
from tests.chaos.invariants import check
from tests.chaos.processes import descendants, is_alive
from tests.servers import wait_until

# The lease, the reaper, and another try or two on a machine that is busy.
SETTLE_S = 300
_STORAGE_DELAY_S = 0.05
_DEATH_S = 180
# So many jobs wait while processes wait for their end at a failpoint.
_BACKLOG = 4
_QUEUED = "SELECT COUNT(*) FROM jobs WHERE state = 'queued'"


def kill_at_random(cluster: Cluster, load: Load, kind: str, *, kills: int, jobs: int) -> int:
    """Kills and restarts a random process of that kind, again and again, while jobs come in; returns how many had one.

    No process that a killed one had started may be left.
    """
    busy, left = 0, list[int]()
    for number in range(kills):
        load.submit(jobs * (number + 1) // kills - jobs * number // kills)
        time.sleep(random.uniform(0.0, 0.5))
        victim = cluster.pick(kind)
        worker_id = cluster.worker_id(victim) if kind == "worker" else ""
        left += descendants(cluster.service.roles[victim].process.pid)
        cluster.kill(victim)
        busy += cluster.number("SELECT COUNT(*) FROM jobs WHERE lease_owner = :id", id=worker_id)
        cluster.restart(victim, wait=False)
    wait_until(lambda: not any(is_alive(pid) for pid in left), 60, "the engines of the killed to end")
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
        busy = kill_at_random(cluster, load, "worker", kills=kills, jobs=jobs)
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
        record(2, "… requests that got no answer and were sent again", unanswered)


def die_at(cluster: Cluster, name: str, failpoint: str) -> None:
    """Runs a process until it has killed itself at that place."""
    assert failpoint in (*failpoints.WORKER, *failpoints.API)
    role = cluster.start(name, "--failpoint", f"{failpoint}:{random.randint(1, 3)}", wait=False)
    status = role.process.wait(_DEATH_S)
    assert status == -signal.SIGKILL, f"{name} ended with {status} and not at {failpoint}"


def die_everywhere(cluster: Cluster, load: Load, places: Mapping[str, Sequence[str]], times: int) -> int:
    """Lets each process die at each of its places so many times, while jobs come in; returns the number of deaths.

    Args:
        cluster: The service.
        load: Its clients.
        places: By the name of a process: where it has to die. Others stay up.
        times: How often at each.
    """

    def deaths(name: str) -> int:
        todo = [place for place in places[name] for _ in range(times)]
        random.shuffle(todo)
        for place in todo:
            die_at(cluster, name, place)
        cluster.start(name)
        return len(todo)

    for name in places:
        cluster.kill(name)
    with ThreadPoolExecutor(len(places)) as pool:
        running = [pool.submit(deaths, name) for name in places]
        while not all(future.done() for future in running):
            if cluster.number(_QUEUED) + load.pending() < _BACKLOG:
                load.submit(2)
            time.sleep(0.1)
        return sum(future.result() for future in running)


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("times", [20])
@long
def test_workers_die_at_every_failpoint(run_cluster: RunCluster, clips: Sequence[Clip], times: int) -> None:
    """It should hold all invariants, wherever a worker dies."""
    third = len(failpoints.WORKER) // 3
    places = {f"worker-{n + 1}": failpoints.WORKER[n * third : (n + 1) * third] for n in range(3)}
    with run_cluster() as cluster, Load(cluster, clips).signed_in() as load:
        deaths = die_everywhere(cluster, load, places, times)
        assert "" not in load.wait()
        assert cluster.settles(SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        record(
            3,
            f"kill -9 of a worker at {len(failpoints.WORKER)} failpoints, {times} times at each",
            f"{deaths} deaths, {len(load.log.accepted)} jobs finished, once",
            "all",
        )


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("times", [10])
@long
def test_apis_die_at_every_failpoint(run_cluster: RunCluster, clips: Sequence[Clip], times: int) -> None:
    """It should hold all invariants, wherever an API process dies."""
    half = len(failpoints.API) // 2
    places = {f"api-{n + 1}": failpoints.API[n * half : (n + 1) * half] for n in range(2)}
    with run_cluster() as cluster, Load(cluster, clips, clients=4).signed_in() as load:
        deaths = die_everywhere(cluster, load, places, times)
        assert "" not in load.wait()
        assert cluster.settles(SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        record(
            3,
            f"kill -9 of an API at {len(failpoints.API)} failpoints, {times} times at each",
            f"{deaths} deaths, {len(load.log.accepted)} jobs finished, once",
            "all",
        )
