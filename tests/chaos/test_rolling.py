"""Everything is restarted, one process after the other, and nobody notices."""

import signal
from collections.abc import Sequence

import pytest

from tests.chaos.client import Load
from tests.chaos.clips import Clip
from tests.chaos.cluster import Cluster
from tests.chaos.conftest import RunCluster
from tests.chaos.figures import long, record
from tests.chaos.invariants import check

_SETTLE_S = 300


def restart_in_order(cluster: Cluster, load: Load, name: str) -> int:
    """Takes a process out of the load balancer, asks it to end (SIGTERM), starts it again; returns its exit status."""
    url = cluster.service.urls[int(name[-1]) - 1] if name.startswith("api") else ""
    load.down.add(url)
    process = cluster.service.roles[name].process
    process.send_signal(signal.SIGTERM)
    status = process.wait(120)
    cluster.restart(name)
    load.down.discard(url)
    return status


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [3])
@long
def test_everything_is_restarted_under_load(run_cluster: RunCluster, clips: Sequence[Clip], rounds: int) -> None:
    """It should fail no job, count nothing against one, and answer every request of the replica that is up."""
    with run_cluster() as cluster, Load(cluster, clips).signed_in() as load:
        statuses = []
        for _ in range(rounds):
            for name in cluster.names():
                load.submit(4)
                statuses.append(restart_in_order(cluster, load, name))
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log) == []
        assert set(statuses) == {0}
        assert cluster.query("SELECT DISTINCT lost_leases, failures FROM jobs") == [(0, 0)]
        assert [attempt for attempt in load.log.attempts if attempt.status >= 400] == []
        record(9, f"{rounds} rolling restarts of all {len(cluster.names())} processes", "0 failed jobs", "0")
        record(9, f"… of {len(load.log.attempts)} requests answered with an error", 0, "0")
        # A client may have chosen the replica before that was taken out of the balance.
        record(9, "… sent to the replica that ended, and sent again", load.log.statuses().get(0, 0))
