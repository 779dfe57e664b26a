"""It should write no result that leaves too little room on the disk, and convert when there is room again."""

import pytest

from tests.jobs.rows import change_job, read_job
from tests.servers import wait_until
from tests.worker.system import System, make_wav
from video2mp3.worker.fetching import FetchLimits

NO_ROOM = FetchLimits(min_free_disk_bytes=2**60)


@pytest.mark.parametrize("options", [{}, {"split": 1.0}], ids=["mp3", "zip"])
def test_a_job_waits_for_room(embedded: System, options: dict[str, float]) -> None:
    job = embedded.submit(make_wav(3), options=options)
    with embedded.running(fetch_limits=NO_ROOM):
        wait_until(lambda: read_job(embedded.database, job.id).fence == 1, 60, "a try")
        embedded.wait_for(job.id, "queued")
    row = read_job(embedded.database, job.id)
    assert (row.failures, row.lost_leases) == (0, 0)
    assert list(embedded.storage.scratch_folder.iterdir()) == []
    change_job(embedded.database, job.id, not_before=0)
    with embedded.running():
        embedded.wait_for(job.id, "finished")
