"""A clock that is set back or forward while jobs run: libfaketime changes it under a real process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.programs import missing

LIBRARY = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketimeMT.so.1")

_BEGIN = """
import sys
from pathlib import Path
from sqlalchemy import func, or_, select
from tests.jobs.rows import change_job, claimed, make_user, submit
from video2mp3.accounts import one_time_tokens
from video2mp3.database import migrate
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Notification, OneTimeToken, User
from video2mp3.errors import NoAudio
from video2mp3.jobs import lifecycle
from video2mp3.outbox import claims

database = Database(f"sqlite:///{sys.argv[1]}/x.db")
migrate.upgrade(database)

def set_clock(offset):
    Path(sys.argv[1], "clock").write_text(offset)

def row(job_id):
    with database.read() as session:
        job = session.get(Job, job_id)
        return job.state, job.lost_leases
"""

# A job and an email that wait for another attempt, and of each of both kinds of emails one that is being sent.
_RUN = """
user_id = make_user(database, "ada@example.org")
job = submit(database, user_id)
claimed(database, job.id)
change_job(database, submit(database, user_id).id, not_before=now() + 10 * SECOND)
failed = [claimed(database, submit(database, user_id).id) for _ in range(2)]
with database.write() as session:
    assert all(lifecycle.fail(session, each, NoAudio()) for each in failed)
    sending, waiting = session.scalars(select(Notification)).all()
    assert claims.claim(session, sending)
    waiting.not_before = now() + 10 * SECOND
    one_time_tokens.request(session, "reset", session.get_one(User, user_id))
    assert one_time_tokens.claim_email(session)
print(job.id)
"""

_RESTART = """
from video2mp3.jobs.housekeeping.restart import end_earlier_claims

def ahead(table):
    with database.read() as session:
        is_ahead = or_(table.lease_until > now(), table.not_before > now())
        return session.scalar(select(func.count()).select_from(table).where(is_ahead))

job_id = sys.argv[2]
tables = (Job, Notification, OneTimeToken)
with database.write() as session:
    lifecycle.reap(session)
before = row(job_id)[0]
print(*map(ahead, tables))
end_earlier_claims(database)
print(*map(ahead, tables))
with database.write() as session:
    lifecycle.reap(session)
print(before, row(job_id)[0])
assert claimed(database, job_id)
"""

_SLEEP = """
from video2mp3.jobs.housekeeping.loops import Housekeeping
from video2mp3.queue.memory import MemoryQueue
from video2mp3.storage.disk import DiskStorage

housekeeping = Housekeeping(database, MemoryQueue(), DiskStorage(Path(sys.argv[1], "storage")))
job = submit(database, make_user(database))
claim = claimed(database, job.id)
housekeeping._reap()
set_clock("+28800s")
housekeeping._reap()
with database.write() as session:
    print(lifecycle.heartbeat(session, claim, percent=1, done_s=1.0), *row(job.id))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not LIBRARY.exists():
        missing("libfaketime (make tools)")
    (tmp_path / "clock").write_text("+0s")
    return tmp_path


def run(program: str, folder: Path, *arguments: str, lines: int = 1) -> list[str]:
    """Runs a process whose clock is ahead of ours by what the file says; its monotonic clock is ours.

    Returns the words of the last lines that it prints.
    """
    env = os.environ | {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    command = [sys.executable, "-c", _BEGIN + program, str(folder), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.splitlines()[-lines:]).split()  # after the log


def test_a_clock_that_was_set_back_keeps_no_job_of_a_killed_service(folder: Path) -> None:
    """It should end the claims of the earlier process at the start: they would hold for an hour."""
    (job_id,) = run(_RUN, folder)
    (folder / "clock").write_text("-3600s")
    assert run(_RESTART, folder, job_id, lines=3) == [*"221", *"000", "processing", "queued"]


def test_a_machine_that_slept_has_lost_no_worker(folder: Path) -> None:
    """It should let the worker renew its lease, which expired while both slept."""
    assert run(_SLEEP, folder) == ["held", "processing", "0"]
