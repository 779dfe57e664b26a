"""What is read when somebody asks, also where there is nothing to be read."""

import socket
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.registry import Collector

from tests.jobs.rows import change_job, claimed, make_user, submit
from tests.servers import free_port
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.gauges import PoolGauges
from video2mp3.jobs.housekeeping import gauges as backlog_gauges
from video2mp3.jobs.housekeeping.gauges import BacklogGauges
from video2mp3.telemetry.disk import DiskGauges


def read(gauges: Collector) -> dict[str, float]:
    """All values, by name and labels."""
    return {
        " ".join((sample.name.removeprefix("video2mp3_"), *sample.labels.values())): sample.value
        for family in gauges.collect()
        for sample in family.samples
    }


def test_what_waits_is_counted(database: Database) -> None:
    """It should tell how many jobs are in each state, and for how long the oldest has waited."""
    user_id = make_user(database)
    jobs = [submit(database, user_id, priority=priority) for priority in (0, 1, 1)]
    claimed(database, jobs[0].id)
    found = read(BacklogGauges(database))
    assert [found[f"jobs {state}"] for state in ("waiting", "queued", "processing")] == [0, 2, 1]
    assert found["database_up"] == 1
    assert (found["jobs_queued high"], found["jobs_queued normal"], found["jobs_queued low"]) == (0, 2, 0)
    assert [found[f"oldest_{what}_seconds"] for what in ("notification", "due_notification")] == [0, 0]
    assert found["open_slots"] == 0


def test_what_is_not_due_is_not_called_late(database: Database) -> None:
    """It should tell since when the oldest could have been taken: not the age of what waits for another try."""
    user_id = make_user(database)
    first, second = submit(database, user_id), submit(database, user_id)
    change_job(database, first.id, created_at=now() - 500 * SECOND, not_before=now() + 100 * SECOND)
    change_job(database, second.id, created_at=now() - 300 * SECOND, not_before=now() - 200 * SECOND)
    found = read(BacklogGauges(database))
    assert 199 < found["oldest_due_job_seconds"] < 260
    assert (found["jobs queued"], found["jobs_delayed"]) == (2, 1)


def test_it_is_counted_every_few_seconds_at_most(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    passed_s = 0.0
    monkeypatch.setattr(backlog_gauges, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed_s))
    user_id = make_user(database)
    gauges = BacklogGauges(database)
    assert read(gauges)["jobs queued"] == 0
    submit(database, user_id)
    assert read(gauges)["jobs queued"] == 0
    passed_s = 6.0
    assert read(gauges)["jobs queued"] == 1


def test_a_database_that_is_away_is_told_and_nothing_else() -> None:
    database = Database(f"mysql+pymysql://nobody:nothing@127.0.0.1:{free_port()}/nothing")
    assert read(BacklogGauges(database)) == {"database_up": 0}
    database.close()


def test_a_database_that_says_nothing_holds_nothing_up() -> None:
    """It should answer within Prometheus' ten seconds, and not ask again while that goes on."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database(f"mysql+pymysql://nobody:nothing@127.0.0.1:{silent.getsockname()[1]}/nothing")
        gauges = BacklogGauges(database)
        started_s = time.monotonic()
        assert read(gauges) == {"database_up": 0}
        assert time.monotonic() - started_s < 9
    database.close()


def test_connections_in_use_are_seen(database: Database) -> None:
    gauges = PoolGauges(database)
    before = read(gauges)
    with database.read(), database.read():
        during = read(gauges)
    after = read(gauges)
    key = "database_connections in_use"
    assert (before[key], during[key], after[key]) == (0, 2, 0)
    assert after["database_connections idle"] >= 2
    assert during["database_connections_max"] == 30


def test_room_on_the_disk_is_seen_where_there_is_one(tmp_path: Path) -> None:
    found = read(DiskGauges(tmp_path, 1000))
    assert found["disk_free_bytes"] > 0
    assert found["disk_floor_bytes"] == 1000
    assert read(DiskGauges(tmp_path / "none", 1000)) == {}
