"""The storage is full, or has bad days."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.chaos.client import Load
from tests.chaos.clips import Clip
from tests.chaos.conftest import RunCluster
from tests.chaos.figures import long, record
from tests.chaos.invariants import check
from tests.servers import disks, wait_until

_SETTLE_S = 400
_DISK_BYTES = 16 * 1024**2
_BALLAST_BYTES = 12 * 1024**2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    with disks.small_disk(tmp_path / "disk", _DISK_BYTES) as folder:
        yield folder


@pytest.mark.timeout(900)
@pytest.mark.parametrize("jobs", [20])
@long
def test_the_disk_is_full(run_cluster: RunCluster, clips: Sequence[Clip], small_disk: Path, jobs: int) -> None:
    """It should say so, and finish all jobs when there is room again."""
    env = {"VIDEO2MP3_STORAGE_URL": small_disk.as_uri(), "VIDEO2MP3_MIN_FREE_DISK_BYTES": "0"}
    with run_cluster(env=env) as cluster, Load(cluster, clips[-1:]).signed_in() as load:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(_BALLAST_BYTES))
        load.submit(jobs)

        def is_full() -> bool:
            return 507 in load.log.statuses()

        wait_until(is_full, _SETTLE_S, "the disk to be full")
        # Some more attempts, and workers whose results find no room.
        time.sleep(10)
        refused = load.log.statuses()
        assert {status for status in refused if status >= 400 or status == 0} == {507}
        ballast.unlink()
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log) == []
        codes = {attempt.code for attempt in load.log.attempts if attempt.status == 507}
        assert codes == {"storage_full"}
        record(10, f"disk full for {refused[507]} requests, which said", "507 storage_full", "507, 503")
        record(10, "… when there was room again", f"{jobs} jobs finished, no orphan", "all")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("jobs", [80])
@long
def test_s3_has_bad_days(run_cluster: RunCluster, clips: Sequence[Clip], jobs: int) -> None:
    """It should finish all jobs, and leave no object behind that nobody refers to."""
    with run_cluster() as cluster, Load(cluster, clips).signed_in() as load:
        stores = [links.storage for links in cluster.links.values()]
        for store in stores:
            store.fail_requests(0.2, "error", "slow", "cut")
        load.submit(jobs)
        assert "" not in load.wait()
        wait_until(lambda: cluster.unended() == 0, _SETTLE_S, "all jobs to end")
        faults = sum(store.faults for store in stores)
        for store in stores:
            store.fail_requests(1.0, "error")
        load.submit(4)
        wait_until(lambda: 503 in load.log.statuses(), _SETTLE_S, "the API to say so")
        for store in stores:
            store.heal()
        assert "" not in load.wait()
        assert cluster.settles(_SETTLE_S)
        assert check(cluster, load.log) == []
        wrong = {(attempt.status, attempt.code) for attempt in load.log.attempts if attempt.code or not attempt.status}
        assert wrong == {(503, "storage_unavailable")}
        record(10, "S3 answers 20 % of requests with 500, late, or not to the end", f"{faults} faults", "")
        record(10, "… all accepted jobs end", f"{len(load.log.accepted)} finished, no orphan", "all")
        record(10, "… when it fails always, the API says", "503 storage_unavailable", "507, 503")
