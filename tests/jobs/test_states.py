"""The diagram of states in ARCHITECTURE.md against what the functions really do, in every state."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tests.databases import new_sqlite
from tests.jobs.rows import make_upload, submit
from tests.options import resolved
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Upload
from video2mp3.errors import (
    Canceled,
    Conflict,
    DatabaseUnavailable,
    EngineCrashed,
    NoAudio,
    Video2mp3Error,
)
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import FAILURES_LIMIT, LOST_LEASES_LIMIT, Claim

ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"
STATES = ("waiting", "queued", "processing", "finished", "failed", "canceled")
RESULT = lifecycle.NewResult("k", "0" * 64, b"0000", size_bytes=1, duration_s=1.0)

Function = Callable[[Session, Job, Claim], object]
Step = tuple[str, str, str]
"""From a state, to a state, by a function."""


def _fails_with(error: Video2mp3Error) -> Function:
    return lambda session, job, claim: lifecycle.fail(session, claim, error)


def _upload_of(session: Session, job: Job) -> Upload:
    return session.get_one(Upload, job.upload_id)


FUNCTIONS: list[tuple[str, Function]] = [
    ("upload_completed", lambda session, job, claim: lifecycle.upload_completed(session, job.upload_id or "")),
    ("cancel", lambda session, job, claim: lifecycle.cancel(session, job.id, job.user_id)),
    ("claim", lambda session, job, claim: lifecycle.claim(session, job.id, "w" * 32)),
    ("heartbeat", lambda session, job, claim: lifecycle.heartbeat(session, claim, percent=1, done_s=1.0)),
    ("finish", lambda session, job, claim: lifecycle.finish(session, claim, RESULT, retention_s=1)),
    ("fail", _fails_with(NoAudio())),
    ("fail", _fails_with(EngineCrashed())),
    ("fail", _fails_with(DatabaseUnavailable())),
    ("fail", _fails_with(Canceled())),
    ("fetched", lambda session, job, claim: lifecycle.fetched(session, claim, _upload_of(session, job), 1)),
    ("sent", lambda session, job, claim: lifecycle.sent(session, claim, retention_s=1)),
    ("release", lambda session, job, claim: lifecycle.release(session, claim)),
    ("start_early", lambda session, job, claim: lifecycle.start_early(session, job.upload_id or "")),
    ("wait_again", lambda session, job, claim: lifecycle.wait_again(session, claim)),
    ("reap", lambda session, job, claim: lifecycle.reap(session)),
    ("expire", lambda session, job, claim: lifecycle.expire(session, 10)),
    ("retry", lambda session, job, claim: lifecycle.retry(session, job.id, job.user_id)),
]
# What a function's deed depends on, besides the state.
CONDITIONS: list[dict[str, Any]] = [
    {},
    {"cancel_requested": True},
    {"lease_until": 1},
    {"lease_until": 1, "cancel_requested": True},
    {"lease_until": 1, "lost_leases": LOST_LEASES_LIMIT - 1},
    {"failures": FAILURES_LIMIT - 1},
    {"upload_expired": True},
    {"upload_complete": True},
    {"upload_open": True},
    {"upload_open": True, "cancel_requested": True},
    {"blocked_reason": "loudness"},
    {"expires_at": 1, "result_key": "k"},
    {"transfer": "fetch"},
    {"transfer": "fetch", "lease_until": 1},
    {"transfer": "fetch", "lease_until": 1, "lost_leases": LOST_LEASES_LIMIT - 1},
    {"transfer": "send"},
    {"transfer": "send", "lease_until": 1},
]


def documented() -> set[Step]:
    table = ARCHITECTURE.read_text().split(" state        may become, by\n")[1].split("```")[0]
    names = "|".join(["submit", *dict(FUNCTIONS)])
    steps = set()
    for line in table.splitlines()[1:]:
        before, after, by = re.split(r" {2,}", line.strip(), maxsplit=2)
        # "where a cancel was asked for" names no function.
        for name in re.findall(rf"(?<!a )\b({names})\b", by):
            steps.add((before, after, name))
    return steps


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: test_lifecycle calls the functions on each kind of database."""
    return new_sqlite(tmp_path / "video2mp3.db")


@pytest.fixture
def observed(database: Database, user_id: str) -> set[Step]:
    """Every function, called on a job in every state under every condition."""
    steps: set[Step] = set()
    for upload_state, state in (("complete", "queued"), ("open", "waiting")):
        assert submit(database, user_id, make_upload(database, user_id, state=upload_state)).state == state
        steps.add(("(new)", state, "submit"))
    job = submit(database, user_id)
    with database.write() as session:
        for before in STATES:
            for condition in CONDITIONS:
                for name, function in FUNCTIONS:
                    after = _after(session, job, before, condition, function)
                    if after != before:
                        steps.add((before, after, name))
    return steps


def _after(session: Session, job: Job, state: str, condition: dict[str, Any], function: Function) -> str:
    """The state that follows; all is taken back then."""
    with session.begin_nested() as all_of_it:
        _prepare(session, job, state, dict(condition))
        with suppress(Conflict):
            claim = Claim(job.id, 1, job.user_id, job.upload_id, "", resolved(), transfer=condition.get("transfer"))
            function(session, job, claim)
        after = session.scalars(select(Job.state).where(Job.id == job.id)).one()
        all_of_it.rollback()
    return after


def _prepare(session: Session, job: Job, state: str, condition: dict[str, Any]) -> None:
    expired, complete = condition.pop("upload_expired", False), condition.pop("upload_complete", False)
    still_comes = condition.pop("upload_open", False) or state == "waiting"
    row: dict[str, Any] = {"state": state, "fence": 1, "lease_until": now() + 60 * SECOND, **condition}
    session.execute(update(Job).where(Job.id == job.id).values(**row))
    upload: dict[str, Any] = {"state": "complete" if complete or not still_comes else "open"}
    upload |= {"expires_at": 1} if expired else {}
    session.execute(update(Upload).where(Upload.id == job.upload_id).values(**upload))


def test_the_diagram_tells_all_that_the_functions_do_and_nothing_else(observed: set[Step]) -> None:
    """It should be complete, and right that what has ended never changes."""
    assert observed == documented()
    assert {before for before, _, _ in observed}.isdisjoint(lifecycle.ENDED)
