"""The statements that run all the time find their rows by an index, however many jobs there are."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, insert, text, update
from sqlalchemy.orm import Session

from tests.jobs.rows import make_upload, make_user
from tests.options import resolved
from video2mp3 import uploads
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, new_id
from video2mp3.errors import NoAudio
from video2mp3.jobs import fair_queueing, lifecycle, limits, transfers
from video2mp3.jobs.housekeeping import history
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.jobs.lifecycle import Claim
from video2mp3.queue.memory import MemoryQueue
from video2mp3.storage.disk import DiskStorage


@pytest.fixture
def job_id(database: Database, user_id: str) -> str:
    """One of 2,000 queued jobs, among 2,000 finished and 20 whose lease has expired."""
    template: dict[str, Any] = {"user_id": user_id, "upload_id": make_upload(database, user_id), "source_name": ""}
    template |= {"source_size_bytes": 1, "options": resolved(), "created_at": 1, "lease_until": 1}
    states = ["queued", "finished"] * 2000 + ["processing"] * 20
    rows = [{**template, "id": new_id(), "state": state} for state in states]
    other: dict[str, Any] = {"user_id": make_user(database), "id": new_id(), "state": "queued"}
    with database.write() as session:
        session.execute(insert(Job), [*rows, {**template, **other}])
    with database.write() as session:
        session.execute(text("ANALYZE" if database.dialect == "sqlite" else "ANALYZE TABLE jobs"))
    return str(rows[0]["id"])


def _plans(database: Database, action: Callable[[], object]) -> list[str]:
    """How the database finds the rows of `jobs`, for each statement that reads or changes them."""
    statements: list[tuple[str, Any]] = []

    def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if "jobs" in statement and not statement.startswith("INSERT"):
            statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    action()
    event.remove(database.engine, "before_cursor_execute", note)
    # MySQL 9 would draw a tree.
    explain = "EXPLAIN QUERY PLAN " if database.dialect == "sqlite" else "EXPLAIN FORMAT=TRADITIONAL "
    with database.engine.connect() as connection:
        steps = [
            [dict(step) for step in connection.exec_driver_sql(explain + statement, parameters).mappings()]
            for statement, parameters in statements
        ]
    return [str([step for step in plan if step.get("table", "jobs") == "jobs"]) for plan in steps]


def _uses_an_index(database: Database, plan: str) -> bool:
    if database.dialect == "sqlite":
        return "SEARCH jobs USING" in plan and "SCAN jobs" not in plan and "TEMP B-TREE" not in plan
    return "'type': 'ALL'" not in plan and "'type': 'index'" not in plan and "filesort" not in plan


def _call(database: Database, function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    def call() -> None:
        with database.write() as session:
            function(session, *arguments)

    return call


def test_claim_relay_reaper_and_submit_use_indexes(database: Database, user_id: str, job_id: str) -> None:
    for action in (
        Relay(database, MemoryQueue()).announce_due,
        _call(database, lifecycle.claim, job_id, "w" * 32),
        _call(database, lifecycle.reap),
        _call(database, lifecycle.expire, 100),
        _call(database, fair_queueing.next_job),
        _call(database, transfers.waiting_newcomers, "fetch"),
        _call(database, transfers.next_transfer, "fetch", "w" * 32, transfers.TransferLimits(), {}),
        _call(database, limits.check_job_quota, user_id, limits.JobLimits(10_000, 100_000)),
        _call(database, uploads.check_storage_quota, user_id, uploads.UploadLimits(10, 10**6), 1),
    ):
        plans = _plans(database, action)
        assert plans
        assert [plan for plan in plans if not _uses_an_index(database, plan)] == []


def test_the_history_of_one_user_is_trimmed_by_an_index(
    database: Database, user_id: str, job_id: str, disk: DiskStorage
) -> None:
    """It should find the oldest by the order of their ends, without sorting all that a user has."""
    with database.write() as session:
        session.execute(update(Job).where(Job.state == "finished").values(ended_at=Job.source_size_bytes))
        session.execute(text("ANALYZE" if database.dialect == "sqlite" else "ANALYZE TABLE jobs"))
    # Not of what was canceled before it began, which is found by its state: it is little, and sorted.
    of_ended = history.bounds(1999)[1]
    action = partial(history.trim_owner, database, disk, of_ended, (Job.user_id == user_id,))
    plans = [plan for plan in _plans(database, action) if plan != "[]"]
    assert plans
    assert [plan for plan in plans if not _uses_an_index(database, plan)] == []


def test_a_change_of_one_job_locks_only_its_row(database: Database, user_id: str, job_id: str) -> None:
    """It should search by the primary key: by the state's index it would lock entries that other statements need."""
    taken = Claim(job_id, 1, user_id, None, "", resolved())
    for action in (
        _call(database, lifecycle.claim, job_id, "w" * 32),
        _call(database, partial(lifecycle.heartbeat, percent=1, done_s=1.0), taken),
        _call(database, lifecycle.cancel, job_id, user_id),
        _call(database, lifecycle.fail, taken, NoAudio()),
    ):
        plans = [plan for plan in _plans(database, action) if plan != "[]"]
        assert plans
        key = "sqlite_autoindex_jobs_1" if database.dialect == "sqlite" else "'key': 'PRIMARY'"
        assert [plan for plan in plans if key not in plan] == []


def test_a_statement_without_an_index_is_seen(database: Database, job_id: str) -> None:
    def without_index(session: Session) -> None:
        session.query(Job.id).filter(Job.tag == "t").all()

    (plan,) = _plans(database, _call(database, without_index))
    assert not _uses_an_index(database, plan)
