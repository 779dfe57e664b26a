"""The invariant checker can fail: it misses each guard that is taken out of the product.

Each scenario runs twice. With the product as it is, nothing may be wrong; without the guard, the checker has to say so.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.chaos.client import EITHER, Load
from tests.chaos.clips import Clip
from tests.chaos.cluster import Cluster, Servers, running
from tests.chaos.conftest import RunCluster
from tests.chaos.figures import record
from tests.chaos.invariants import check
from tests.processes import is_stopped
from tests.servers import MariaDBServer, RabbitMQServer, S3Server, SMTPServer, wait_until
from video2mp3.jobs import lifecycle

_SOON_S = 120
_GIVES_UP_S = 30

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def shared_cluster(
    tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDBServer, rabbitmq: RabbitMQServer, s3: S3Server
) -> Iterator[Cluster]:
    """One API process and a notifier; each test brings its own workers."""
    smtp = SMTPServer()
    smtp.start()
    folder = tmp_path_factory.mktemp("checker")
    with running(folder, Servers(mariadb, rabbitmq, s3, smtp), apis=1, workers=0) as cluster:
        yield cluster
    smtp.close()


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Cluster:
    """The shared cluster without any job: the jobs that a fault has spoiled never end."""
    shared_cluster.execute("DELETE FROM jobs")
    shared_cluster.execute("DELETE FROM audit")
    return shared_cluster


@contextmanager
def worker(cluster: Cluster, name: str, *options: str) -> Iterator[int]:
    """A worker for the length of the block; gives its process id."""
    role = cluster.start(name, *options)
    try:
        yield role.process.pid
    finally:
        # Else it would take the jobs of the tests after this one.
        role.kill()


def submit(load: Load, clips: Sequence[Clip]) -> str:
    job_id = load.client().submit(clips[0])
    assert job_id is not None
    return job_id


def lose_lease(cluster: Cluster, job_id: str) -> None:
    """Lets the lease be over at once, and the job be taken back."""
    cluster.execute("UPDATE jobs SET lease_until = 1 WHERE id = :id", id=job_id)
    with cluster.database.write() as session:
        lifecycle.reap(session)


def wrong(cluster: Cluster, load: Load, job_id: str) -> list[str]:
    """What the checker says about the job."""
    return [sentence for sentence in check(cluster, load.log) if job_id in sentence]


def wait_for_state(cluster: Cluster, job_id: str, *states: str) -> None:
    def reached() -> bool:
        ((state,),) = cluster.query("SELECT state FROM jobs WHERE id = :id", id=job_id)
        return state in states

    wait_until(reached, _SOON_S, f"job {job_id} to be {' or '.join(states)}")


def takes_over(cluster: Cluster, load: Load, clips: Sequence[Clip], *options: str) -> str:
    """Two workers have claimed one job; the first finishes while the second is still at it. Returns the job's id."""
    for _ in range(3):
        if job_id := tries_to_take_over(cluster, load, clips, *options):
            return job_id
    raise AssertionError("the first worker gave its job up each time")


def tries_to_take_over(cluster: Cluster, load: Load, clips: Sequence[Clip], *options: str) -> str | None:
    """The same; None if the first worker was stopped for so long that it gave the job up, on a busy machine."""
    stop = ("--failpoint", "before_finish:1:stop", *options)
    with worker(cluster, "worker-1", *stop) as one, worker(cluster, "worker-2", *stop) as another:
        pids = {"worker-1": one, "worker-2": another}

        def stopped(count: int) -> list[str]:
            names = [name for name, pid in pids.items() if is_stopped(pid)]
            return names if len(names) == count else []

        job_id = submit(load, clips)
        (first,) = wait_until(lambda: stopped(1), _SOON_S, "the first worker to stop")
        lose_lease(cluster, job_id)
        wait_until(lambda: stopped(2), _SOON_S, "the second worker to stop")
        discarded = len(cluster.log_events(first, "result_discarded"))
        os.kill(pids.pop(first), signal.SIGCONT)

        def has_tried() -> bool:
            return (
                len(cluster.log_events(first, "result_discarded")) > discarded
                or cluster.number("SELECT COUNT(*) FROM jobs WHERE id = :id AND state = 'finished'", id=job_id) == 1
            )

        try:
            wait_until(has_tried, _GIVES_UP_S, "the first worker to finish")
        except AssertionError:
            lose_lease(cluster, job_id)
            load.client().cancel(job_id)
            return None
        for second in pids.values():
            os.kill(second, signal.SIGCONT)
        wait_for_state(cluster, job_id, "finished")
    return job_id


def test_the_fence_is_missed(cluster: Cluster, clips: Sequence[Clip]) -> None:
    """It should see that a worker whose lease was over has written the result."""
    with Load(cluster, clips).signed_in() as load:
        job_id = takes_over(cluster, load, clips)
        assert cluster.settles(_SOON_S)
        assert wrong(cluster, load, job_id) == []

        job_id = takes_over(cluster, load, clips, "--without", "fence")
        assert any("the result of another claim" in sentence for sentence in wrong(cluster, load, job_id))
        record(13, "fence check taken out", "the checker fires", "fires")


def test_the_compare_and_set_of_the_claim_is_missed(cluster: Cluster, clips: Sequence[Clip]) -> None:
    """It should see that a second message has started a job again that had ended."""
    five_times = ("--deliveries", "5")
    with Load(cluster, clips).signed_in() as load:
        with worker(cluster, "worker-1", *five_times), worker(cluster, "worker-2", *five_times):
            job_id = submit(load, clips)
            wait_for_state(cluster, job_id, "finished")
            assert cluster.settles(_SOON_S)
        assert wrong(cluster, load, job_id) == []

        with worker(cluster, "worker-1", "--without", "claim_cas"):
            job_id = submit(load, clips)
            wait_for_state(cluster, job_id, "finished")
            cluster.announce_again(job_id)
            fired = "had ended as finished and became processing"
            wait_until(lambda: any(fired in s for s in wrong(cluster, load, job_id)), _SOON_S, "the checker to fire")
    record(13, "compare-and-set of the claim taken out", "the checker fires", "fires")


def is_canceled_while_stopped(cluster: Cluster, load: Load, clips: Sequence[Clip], *options: str) -> str:
    """A worker stops before it finishes; its job is taken back and canceled; then it goes on. Returns the job's id."""
    with worker(cluster, "worker-1", "--failpoint", "before_finish:1:stop", *options) as pid:
        job_id = submit(load, clips)
        wait_until(lambda: is_stopped(pid), _SOON_S, "the worker to stop")
        lose_lease(cluster, job_id)
        assert load.client().cancel(job_id) == 200
        os.kill(pid, signal.SIGCONT)

        def has_tried() -> bool:
            ends = [
                *cluster.log_events("worker-1", "result_discarded"),
                *cluster.log_events("worker-1", "job_finished"),
            ]
            return any(end["job_id"] == job_id for end in ends)

        wait_until(has_tried, _SOON_S, "the worker to finish")
    return job_id


def test_the_compare_and_set_of_the_finish_is_missed(cluster: Cluster, clips: Sequence[Clip]) -> None:
    """It should see that a job which was canceled has become finished."""
    with Load(cluster, clips).signed_in() as load:
        job_id = is_canceled_while_stopped(cluster, load, clips)
        assert cluster.settles(_SOON_S)
        assert wrong(cluster, load, job_id) == []

        job_id = is_canceled_while_stopped(cluster, load, clips, "--without", "finish_cas")
        assert any("had ended as canceled and became finished" in s for s in wrong(cluster, load, job_id))
        load.log.may_end(job_id, EITHER)
    record(13, "compare-and-set of the finish taken out", "the checker fires", "fires")


@pytest.mark.parametrize("guarded", [True, False])
def test_the_outbox_is_missed(run_cluster: RunCluster, clips: Sequence[Clip], guarded: bool) -> None:
    """It should see that a job whose message was lost in the broker is never done."""
    options = ("--announced", "1") if guarded else ("--without", "outbox")
    processes = {"apis": 1, "workers": 0, "notifiers": int(guarded)}
    with run_cluster(**processes, options=options) as cluster, Load(cluster, clips).signed_in() as load:
        job_id = submit(load, clips)
        announced = "SELECT COUNT(*) FROM jobs WHERE announced_until > 0"
        wait_until(lambda: cluster.number(announced) == 1, _SOON_S, "the job to be announced")
        wait_until(lambda: cluster.depth("video") > 0, _SOON_S, "the message to be in the broker")
        cluster.purge("video")
        with worker(cluster, "worker-1", *options):
            if guarded:
                assert cluster.settles(_SOON_S)
                assert check(cluster, load.log) == []
            else:
                # Several times what it takes with the guard.
                assert not cluster.settles(6)
                assert f"job {job_id} is queued at the end" in check(cluster, load.log)
                record(13, "outbox taken out", "the checker fires", "fires")
