"""A drain that an administrator asks for; those by SIGTERM are in test_loop."""

import os

import pytest

from tests.jobs.rows import read_job
from tests.processes import go_on, stop_engines
from tests.servers import wait_until
from tests.worker.system import System, make_wav
from video2mp3.jobs import administration

pytestmark = pytest.mark.usefixtures("soon")


def test_a_worker_that_an_administrator_drains_finishes_however_long_it_takes(system: System) -> None:
    """It should take no more, know no grace, and say in its row when it is done; it goes on to live."""
    running = system.submit(make_wav(600))
    with system.running(drain_grace_s=0) as worker:
        stopped = stop_engines(os.getpid(), 1)
        wait_until(system.workers, 10, "the worker's row")
        with system.database.write() as session:
            assert administration.drain_worker(session, worker.worker_id).state == "draining"
        go_on(*stopped)
        waiting = system.submit(make_wav(0.5))

        def state() -> str:
            with system.database.read() as session:
                (status,) = administration.list_workers(session)
            return status.state

        wait_until(lambda: state() == "drained", 60, "the worker to say that it is drained")
        assert read_job(system.database, running.id).state == "finished"
        assert (read_job(system.database, waiting.id).state, waiting.fence) == ("queued", 0)
        assert system.workers()[0].slots == 0
