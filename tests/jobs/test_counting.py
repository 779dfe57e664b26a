"""What becomes of jobs is counted, once, when it is committed, with codes of `errors.py` alone."""

import pytest

from tests.jobs.rows import change_job, claimed, finish, submit
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job
from video2mp3.errors import EngineCrashed, StorageUnavailable, UnsupportedFormat, Video2mp3Error
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim
from video2mp3.telemetry.metrics import REGISTRY

_PREFIX = "video2mp3_jobs_"
Sample = tuple[str, tuple[str, ...]]


class Counts:
    """How the counters of jobs have grown since this was made."""

    def __init__(self) -> None:
        self._before = self._now()

    @staticmethod
    def _now() -> dict[Sample, float]:
        return {
            (sample.name[len(_PREFIX) : -len("_total")], tuple(sample.labels.values())): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
            if sample.name.startswith(_PREFIX)
        }

    def grown(self) -> dict[str, int]:
        """Which, and by how much."""
        return {
            " ".join((name, *filter(None, labels))): round(value - self._before.get((name, labels), 0))
            for (name, labels), value in self._now().items()
            if value != self._before.get((name, labels), 0)
        }


def fail(database: Database, claim: Claim, error: Video2mp3Error) -> bool:
    with database.write() as session:
        return lifecycle.fail(session, claim, error)


@pytest.fixture
def job(database: Database, user_id: str) -> Job:
    return submit(database, user_id)


def test_each_outcome_is_counted_with_its_code(database: Database, user_id: str) -> None:
    counts = Counts()
    jobs = [submit(database, user_id) for _ in range(4)]
    finish(database, claimed(database, jobs[0].id))
    fail(database, claimed(database, jobs[1].id), UnsupportedFormat("A sentence that is no label."))
    fail(database, claimed(database, jobs[2].id), EngineCrashed())
    fail(database, claimed(database, jobs[2].id), StorageUnavailable())
    with database.write() as session:
        lifecycle.cancel(session, jobs[3].id, user_id)
    assert counts.grown() == {
        "submitted normal": 4,
        "ended finished": 1,
        "ended failed unsupported_format": 1,
        "ended canceled canceled": 1,
        "requeued engine_crashed": 1,
        "requeued storage_unavailable": 1,
    }


def test_a_lost_worker_is_counted_by_the_reaper(database: Database, job: Job) -> None:
    claimed(database, job.id)
    change_job(database, job.id, lease_until=1)
    counts = Counts()
    with database.write() as session:
        assert lifecycle.reap(session) == 1
    assert counts.grown() == {"requeued worker_lost": 1}


def test_nothing_is_counted_that_was_not_committed(database: Database, job: Job) -> None:
    claim = claimed(database, job.id)
    counts = Counts()

    def fail_in_vain() -> None:
        with database.write() as session:
            assert lifecycle.fail(session, claim, UnsupportedFormat())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_in_vain()
    assert counts.grown() == {}
    fail(database, claim, UnsupportedFormat())
    assert counts.grown() == {"ended failed unsupported_format": 1}


def test_a_job_that_was_lost_is_not_counted_twice(database: Database, job: Job) -> None:
    first = claimed(database, job.id)
    change_job(database, job.id, state="queued")
    second = claimed(database, job.id)
    counts = Counts()
    assert not finish(database, first)
    assert not fail(database, first, UnsupportedFormat())
    assert finish(database, second)
    assert counts.grown() == {"ended finished": 1}
