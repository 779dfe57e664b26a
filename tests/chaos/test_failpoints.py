"""Processes kill themselves at named places: all invariants hold, wherever that is."""

import random
import signal
import subprocess
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

_SETTLE_S = 300
# A process has to start and to come by its place three times; on a busy machine each of both takes a minute.
_DEATH_S = 600
# So many jobs wait while processes wait for their end.
_BACKLOG = 4
_QUEUED = "SELECT COUNT(*) FROM jobs WHERE state = 'queued'"


def die_at(cluster: Cluster, name: str, failpoint: str) -> None:
    """Runs a process until it has killed itself at that place."""
    assert failpoint in (*failpoints.WORKER, *failpoints.API, *failpoints.NOTIFIER)
    role = cluster.start(name, "--failpoint", f"{failpoint}:{random.randint(1, 3)}", wait=False)
    try:
        status = role.process.wait(_DEATH_S)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{name} did not come by {failpoint}; {cluster.number(_QUEUED)} jobs are queued, {role.log}")
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

    for name in set(places) & set(cluster.names()):
        cluster.kill(name)
    with ThreadPoolExecutor(len(places)) as pool:
        running = [pool.submit(deaths, name) for name in places]
        while not all(future.done() for future in running):
            if cluster.number(_QUEUED) + load.pending() < _BACKLOG:
                load.submit(2)
            time.sleep(0.1)
        return sum(future.result() for future in running)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [20])
@long
def test_workers_die_at_every_failpoint(run_cluster: RunCluster, clips: Sequence[Clip], times: int) -> None:
    """It should hold all invariants, wherever a worker dies."""
    third = len(failpoints.WORKER) // 3
    places = {f"worker-{n + 1}": failpoints.WORKER[n * third : (n + 1) * third] for n in range(3)}
    with run_cluster() as cluster, Load(cluster, clips).signed_in() as load:
        deaths = die_everywhere(cluster, load, places, times)
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        record(
            3,
            f"kill -9 of a worker at {len(failpoints.WORKER)} failpoints, {times} times at each",
            f"{deaths} deaths, {len(load.log.accepted)} jobs finished, once",
            "all",
        )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [10])
@long
def test_apis_die_at_every_failpoint(run_cluster: RunCluster, clips: Sequence[Clip], times: int) -> None:
    """It should hold all invariants, wherever an API process dies."""
    half = len(failpoints.API) // 2
    places = {f"api-{n + 1}": failpoints.API[n * half : (n + 1) * half] for n in range(2)}
    with run_cluster() as cluster, Load(cluster, clips, clients=4).signed_in() as load:
        deaths = die_everywhere(cluster, load, places, times)
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log, outages=False) == []
        record(
            3,
            f"kill -9 of an API at {len(failpoints.API)} failpoints, {times} times at each",
            f"{deaths} deaths, {len(load.log.accepted)} jobs finished, once",
            "all",
        )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("times", [5])
@long
def test_notifiers_die_at_every_failpoint(run_cluster: RunCluster, clips: Sequence[Clip], times: int) -> None:
    """It should send an email about each job, twice at most where a notifier dies after sending."""
    with run_cluster(workers=1) as cluster, Load(cluster, clips[:1]).signed_in() as load:
        deaths = die_everywhere(cluster, load, {"notifier-1": failpoints.NOTIFIER}, times)
        assert "" not in load.wait()
        # Its lease is five minutes.
        cluster.execute("UPDATE notifications SET lease_until = 1 WHERE state = 'sending'")
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log, outages=False, notifiers_died=True) == []
        emails = len(cluster.servers.smtp.messages)
        record(
            3,
            f"kill -9 of the notifier at {len(failpoints.NOTIFIER)} failpoints, {times} times at each",
            f"{deaths} deaths, {len(load.log.accepted)} jobs, {emails} emails",
            f"≤ {times} twice",
        )
        assert emails <= len(load.log.accepted) + times
