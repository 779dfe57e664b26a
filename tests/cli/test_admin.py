"""`video2mp3 admin` on a database that the service shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_commands import run
from tests.databases import new_sqlite
from tests.jobs.rows import change_job, claimed, make_user, read_job, submit
from video2mp3.database.clock import now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Worker
from video2mp3.errors import NoAudio
from video2mp3.jobs import lifecycle

WORKER = "c" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The database that the commands find in the folder."""
    database = Database(new_sqlite(tmp_path / "data" / "video2mp3.db"))
    yield database
    database.close()


def admin(folder: Path, *arguments: str) -> list[str]:
    result = run(folder, "admin", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_jobs_are_listed_and_filtered(tmp_path: Path, database: Database) -> None:
    anna, ben = make_user(database, "anna"), make_user(database, "ben")
    first, second = submit(database, anna).id, submit(database, ben).id
    taken = claimed(database, first, WORKER)
    change_job(database, first, percent=40)
    lines = admin(tmp_path, "jobs")
    assert [line[:32] for line in lines] == [second, first]
    assert "processing 40 %" in lines[1]
    assert "anna" in lines[1]
    for filters, found in (
        (("--state", "queued"), [second]),
        (("--user", "anna"), [first]),
        (("--user", "nobody"), []),
        (("--worker", WORKER), [first]),
        (("--limit", "1"), [second]),
        (("--before", second), [first]),
    ):
        assert [line[:32] for line in admin(tmp_path, "jobs", *filters)] == found, filters
    refused = run(tmp_path, "admin", "jobs", "--state", "lost")
    assert (refused.returncode, "There is no state lost" in refused.stderr) == (1, True)
    with database.write() as session:
        lifecycle.fail(session, taken, NoAudio())
    shown = "\n".join(admin(tmp_path, "job", first))
    assert "no_audio" in shown
    assert "1 claims, 0 failures" in shown


def test_jobs_are_canceled_and_tried_again(tmp_path: Path, database: Database) -> None:
    user_id = make_user(database, "anna")
    job_id = submit(database, user_id).id
    assert "state     canceled" in admin(tmp_path, "cancel", job_id)
    (new_id,) = [line.split()[1] for line in admin(tmp_path, "retry", job_id) if line.startswith("id ")]
    assert read_job(database, new_id).state == "queued"
    assert read_job(database, new_id).user_id == user_id
    again = run(tmp_path, "admin", "retry", new_id)
    assert (again.returncode, "Only a conversion that failed" in again.stderr) == (1, True)
    missing = run(tmp_path, "admin", "cancel", "0" * 32)
    assert (missing.returncode, "no resource with that id" in missing.stderr) == (1, True)


def test_workers_and_the_queue_are_shown(tmp_path: Path, database: Database) -> None:
    user_id = make_user(database)
    with database.write() as session:
        session.add(Worker(id=WORKER, host="h1", slots=2, started_at=now(), heartbeat_at=now()))
    running = submit(database, user_id).id
    claimed(database, running, WORKER)
    submit(database, user_id, priority=2)
    (line,) = admin(tmp_path, "workers")
    for part in (WORKER, "busy", "2 slots", "h1", f"{running} 0 %"):
        assert part in line
    lines = admin(tmp_path, "queue")
    assert "queued                 1 (0 high, 0 normal, 1 low; 0 delayed)" in lines
    assert "processing             1, 2 slots" in lines


def test_a_worker_is_asked_to_drain(tmp_path: Path, database: Database) -> None:
    with database.write() as session:
        session.add(Worker(id=WORKER, host="h1", slots=2, started_at=now(), heartbeat_at=now()))
    (line,) = admin(tmp_path, "drain", WORKER)
    assert "draining" in line
    with database.read() as session:
        assert session.get_one(Worker, WORKER).drain_requested
    assert run(tmp_path, "admin", "drain", "0" * 32).returncode == 1


def test_without_tables_it_says_what_to_do(tmp_path: Path) -> None:
    database = tmp_path / "data" / "video2mp3.db"
    result = run(tmp_path, "admin", "jobs")
    assert result.returncode == 1
    assert f"There is no service's data in {database.parent}; name its folder" in result.stderr
    assert not database.exists()
    database.parent.mkdir(exist_ok=True)
    database.touch()
    result = run(tmp_path, "admin", "jobs")
    assert (result.returncode, "video2mp3 migrate" in result.stderr) == (1, True)


def test_the_audit_log_is_listed_and_filtered(tmp_path: Path, database: Database) -> None:
    job_id = submit(database, make_user(database, "anna")).id
    admin(tmp_path, "cancel", job_id)
    added = run(tmp_path, "user", "add", "ben", "--password-stdin", stdin="correct horse battery\n")
    assert added.returncode == 0, added.stderr
    made, canceled = admin(tmp_path, "audit")
    assert ("account.created" in made, "command line" in made) == (True, True)
    assert ("job.canceled" in canceled, job_id in canceled) == (True, True)
    assert (
        admin(tmp_path, "audit", "--user", "ben") == admin(tmp_path, "audit", "--action", "account.created") == [made]
    )
    assert admin(tmp_path, "audit", "--before", made[:32]) == [canceled]
    assert admin(tmp_path, "audit", "--user", "anna") == []
    refused = run(tmp_path, "admin", "audit", "--action", "x")
    assert (refused.returncode, "There is no action x" in refused.stderr) == (1, True)
