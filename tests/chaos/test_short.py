"""A little of everything, one after the other: the short form of `make chaos`."""

from collections.abc import Sequence

import pytest

from tests.chaos.client import Load
from tests.chaos.clips import Clip
from tests.chaos.conftest import RunCluster
from tests.chaos.invariants import check
from tests.chaos.test_broker import kill_broker, publish_garbage
from tests.chaos.test_failpoints import die_everywhere
from tests.chaos.test_kills import SETTLE_S, kill_at_random
from tests.chaos.test_leases import cut_database
from tests.servers import wait_until

_PLACES = {
    "worker-1": ("before_ack", "before_publish"),
    "worker-2": ("in_finish", "after_put"),
    "api-2": ("after_submit",),
}


@pytest.mark.timeout(900)
def test_all_that_was_accepted_is_done_whatever_dies(run_cluster: RunCluster, clips: Sequence[Clip]) -> None:
    """It should finish all jobs, each once, with the bytes of an undisturbed run. `make chaos` takes the real times."""
    with run_cluster(apis=1, workers=0, in_haste=True) as cluster, Load(cluster, clips).signed_in() as load:
        # It starts the others.
        die_everywhere(cluster, load, _PLACES, times=1)
        kill_at_random(cluster, load, "worker", kills=1, jobs=3)
        kill_at_random(cluster, load, "api", kills=1, jobs=3)
        kill_broker(cluster, load, kills=1, jobs=3)
        publish_garbage(cluster, 20)
        # An email that is cut off in the middle waits for its lease, which is long.
        names = [*cluster.names("api"), *cluster.names("worker")]
        cut_database(cluster, load, names, seconds=3, jobs=3)
        assert "" not in load.wait()
        assert cluster.settles(SETTLE_S)
        wait_until(lambda: cluster.depth("video.dead") == 20, SETTLE_S, "all garbage to be put aside")
        assert check(cluster, load.log) == []
