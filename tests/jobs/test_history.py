"""It should keep a bounded number of rows of each account, the newest ones, in every table; with SQLite and MariaDB."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tests.jobs.objects import keys_in, put
from tests.jobs.rows import make_user
from tests.options import resolved
from video2mp3.database.connection import Database
from video2mp3.database.tables import (
    AuditEntry,
    Base,
    Batch,
    Job,
    Notification,
    SignIn,
    Waveform,
    Webhook,
    new_id,
)
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping import history
from video2mp3.storage.disk import DiskStorage

KEEP = 3
ROWS = 8

BOUNDED_BY = {
    "users": "throttling of registrations, by address",
    "sign_ins": "history",
    "api_keys": "api_keys.MAX_PER_USER",
    "invitations": "made by administrators only; invitations.delete_old",
    "one_time_tokens": "throttling, and their expiry",
    "signing_keys": "made by the service only",
    "secrets": "made by the service only",
    "audit_entries": "history, and their expiry",
    "attempts": "the limit of each counter, and their expiry",
    "uploads": "UploadLimits.stored_uploads",
    "upload_chunks": "chunks.MAX_CHUNKS, and merging",
    "batches": "history",
    "jobs": "history; while they wait: max_user_jobs",
    "webhooks": "webhooks.MAX_PER_USER; one for each job, deleted with it",
    "notifications": "one for each job and webhook, deleted with the job",
    "destinations": "one for each host of a webhook; destinations.delete_old",
    "waveforms": "one for each MP3 of a job, deleted with its result",
    "workers": "made by workers only; workers.forget_dead",
    "periodic_tasks": "made by the service only",
}
"""Each table, and what bounds the rows that one account can make in it."""


def test_every_table_is_bounded() -> None:
    """It should make whoever adds a table say what bounds it."""
    assert BOUNDED_BY.keys() == Base.metadata.tables.keys()
    in_history = {bound.id.class_.__tablename__ for bound in history.bounds(KEEP)}
    assert in_history == {table for table, what in BOUNDED_BY.items() if what.startswith("history")}


def _job(user_id: str, state: str, *, began: bool = True, **more: object) -> Job:
    started = 1 if began else None
    facts = {"source_name": "talk.mp4", "source_size_bytes": 1, "options": resolved(), "created_at": 1}
    more = {"ended_at": 1 if state in lifecycle.ENDED else None, **more}
    return Job(id=new_id(), user_id=user_id, state=state, started_at=started, **facts, **more)


def _sign_in(user_id: str, *, family: str | None = None, **more: object) -> SignIn:
    row_id = new_id()
    facts = {"kind": "refresh", "secret_sha256": row_id * 2, "created_at": 1, "expires_at": 2**60}
    return SignIn(id=row_id, user_id=user_id, family=family or row_id, **facts, **more)


def _entry(user_id: str, action: str = "login.failed") -> AuditEntry:
    return AuditEntry(id=new_id(), at=1, action=action, user_id=user_id)


@dataclass(frozen=True)
class Case:
    """Rows of one user, of which the newest KEEP stay."""

    table: type[Base]
    make: Callable[[str], Base]
    stays: Callable[[Session, str], int]
    """Counts those that count."""


def _count(table: type[Base], *conditions: object) -> Callable[[Session, str], int]:
    def count(session: Session, user_id: str) -> int:
        mine = (table.user_id == user_id, *conditions)  # type: ignore[attr-defined]
        return session.scalars(select(func.count()).select_from(table).where(*mine)).one()

    return count


CASES = {
    "canceled conversions": Case(Job, lambda user: _job(user, "canceled", began=False), _count(Job)),
    "finished conversions": Case(Job, lambda user: _job(user, "finished"), _count(Job)),
    "failed conversions": Case(Job, lambda user: _job(user, "failed"), _count(Job)),
    "ended batches": Case(Batch, lambda user: Batch(user_id=user, created_at=1, ended_at=1), _count(Batch)),
    "sessions": Case(SignIn, _sign_in, _count(SignIn, SignIn.ended_at.is_(None))),
    "ended sessions": Case(SignIn, lambda user: _sign_in(user, ended_at=1), _count(SignIn)),
    "used tokens": Case(SignIn, lambda user: _sign_in(user, family="f" * 32, used_at=1), _count(SignIn)),
    "entries of an action": Case(AuditEntry, _entry, _count(AuditEntry)),
}


@pytest.fixture
def disk(tmp_path: object) -> DiskStorage:
    return DiskStorage(tmp_path / "storage")  # type: ignore[operator]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_CANCELED", "MAX_SESSIONS", "MAX_AUDIT_ENTRIES", "MAX_ANONYMOUS_ENTRIES"):
        monkeypatch.setattr(history, name, KEEP)
    monkeypatch.setattr(history, "_AT_ONCE", 2)


def trim(database: Database, storage: DiskStorage, keep: int = KEEP) -> int:
    return sum(history.trim(database, storage, bound) for bound in history.bounds(keep))


@pytest.mark.parametrize("name", CASES)
def test_the_newest_rows_of_a_user_stay(database: Database, disk: DiskStorage, name: str) -> None:
    case = CASES[name]
    ada, bob = make_user(database, "ada"), make_user(database, "bob")
    made: list[str] = []
    for user_id, rows in ((ada, ROWS), (bob, KEEP)):
        for _ in range(rows):
            with database.write() as session:
                row = case.make(user_id)
                session.add(row)
                session.flush()
                made.append(row.id)  # type: ignore[attr-defined]
    with database.read() as session:
        assert (case.stays(session, ada), case.stays(session, bob)) == (ROWS, KEEP)  # without it they stay
    trimmed = trim(database, disk)
    # Sessions are ended first, and some are forgotten at once.
    assert trimmed >= ROWS - KEEP if name == "sessions" else trimmed == ROWS - KEEP
    with database.read() as session:
        assert (case.stays(session, ada), case.stays(session, bob)) == (KEEP, KEEP)
        mine = case.table.user_id == ada  # type: ignore[attr-defined]
        going_on = [case.table.ended_at.is_(None)] if name == "sessions" else []  # type: ignore[attr-defined]
        left = session.scalars(select(case.table.id).where(mine, *going_on)).all()  # type: ignore[attr-defined]
    assert set(left) == set(sorted(made[:ROWS])[-KEEP:])
    assert trim(database, disk) == 0


def test_what_has_not_ended_stays(database: Database, disk: DiskStorage) -> None:
    ada = make_user(database, "ada")
    with database.write() as session:
        for state in ("waiting", "queued", "processing"):
            session.add_all(_job(ada, state) for _ in range(ROWS))
        session.add_all(Batch(user_id=ada, created_at=1) for _ in range(ROWS))
    assert trim(database, disk) == 0


def _left(database: Database, table: type[Job] | type[Batch]) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(table.id)))


@pytest.mark.parametrize("began", [True, False])
def test_the_first_to_be_submitted_stays_where_it_ended_last(
    database: Database, disk: DiskStorage, began: bool
) -> None:
    """It should order by the ends: a conversion that took long, or waited, has ended just now."""
    ada = make_user(database, "ada")
    jobs = [_job(ada, "canceled", began=began, ended_at=1000 - number) for number in range(ROWS)]
    batches = [Batch(id=new_id(), user_id=ada, created_at=1, ended_at=1000 - number) for number in range(ROWS)]
    newest = [{row.id for row in rows[:KEEP]} for rows in (jobs, batches)]
    with database.write() as session:
        session.add_all([*jobs, *batches])
    assert trim(database, disk) == 2 * (ROWS - KEEP)
    assert [_left(database, Job), _left(database, Batch)] == newest


def test_what_somebody_is_to_be_told_of_stays_until_then(database: Database, disk: DiskStorage) -> None:
    ada = make_user(database, "ada")
    jobs = [_job(ada, "finished", ended_at=1 + number) for number in range(ROWS)]
    batches = [Batch(id=new_id(), user_id=ada, created_at=1, ended_at=1 + number) for number in range(ROWS)]
    # The notification of a batch belongs to one of the jobs that stay anyway.
    told = [(jobs[0], "queued", ""), (jobs[1], "sending", ""), (jobs[-1], "queued", batches[0].id)]
    told += [(jobs[2], "sent", ""), (jobs[3], "failed", "")]
    job_ids, batch_ids = [job.id for job in jobs], [batch.id for batch in batches]
    with database.write() as session:
        session.add_all([*jobs, *batches])
        session.flush()
        for job, state, target in told:
            kind = "batch" if target else "email"
            row = Notification(job_id=job.id, user_id=ada, kind=kind, target=target, state=state)
            row.created_at, row.expires_at = 1, 2
            session.add(row)
    trim(database, disk)
    assert _left(database, Job) == {*job_ids[:2], *job_ids[-KEEP:]}
    assert _left(database, Batch) == {batch_ids[0], *batch_ids[-KEEP:]}
    with database.write() as session:
        session.execute(update(Notification).where(Notification.state == "queued").values(state="failed"))
        session.execute(update(Notification).where(Notification.state == "sending").values(state="sent"))
    trim(database, disk)
    assert _left(database, Job) == set(job_ids[-KEEP:])
    assert _left(database, Batch) == set(batch_ids[-KEEP:])


def test_a_conversion_goes_with_all_that_belongs_to_it(database: Database, disk: DiskStorage) -> None:
    ada = make_user(database, "ada")
    with database.write() as session:
        jobs = [_job(ada, "finished", result_key=f"results/{number}", result_size_bytes=3) for number in range(ROWS)]
        session.add_all(jobs)
        session.flush()
        for number, job in enumerate(jobs):
            put(disk, f"results/{number}")
            session.add(Notification(job_id=job.id, user_id=ada, state="sent", created_at=1, expires_at=2))
            session.add(Waveform(job_id=job.id, segment=0, step_s=1.0, duration_s=1.0, peaks=b"1"))
            session.add(Webhook(user_id=ada, job_id=job.id, url="https://a", secret="s", events=[], created_at=1))
        kept = sorted(jobs, key=lambda job: job.id)[-KEEP:]
        keys, ids = {job.result_key for job in kept}, {job.id for job in kept}
    trim(database, disk)
    assert keys_in(disk) == keys
    with database.read() as session:
        assert set(session.scalars(select(Job.id))) == ids
        for table in (Notification, Waveform, Webhook):
            assert set(session.scalars(select(table.job_id))) == ids


def test_a_flood_of_one_action_leaves_the_others(database: Database, disk: DiskStorage) -> None:
    """It should not be possible to wash out the trace of one action by another."""
    ada = make_user(database, "ada")
    with database.write() as session:
        session.add(_entry(ada, "account.exported"))
        session.flush()
        session.add_all(_entry(ada, "sign_in.succeeded") for _ in range(ROWS))
        session.add_all(AuditEntry(id=new_id(), at=1, action="login.failed") for _ in range(ROWS))
    assert trim(database, disk) == 2 * (ROWS - KEEP)
    with database.read() as session:
        actions = session.execute(select(AuditEntry.action, func.count()).group_by(AuditEntry.action)).all()
        assert {row[0]: row[1] for row in actions} == {
            "account.exported": 1,
            "sign_in.succeeded": KEEP,
            "login.failed": KEEP,
        }


def test_a_session_that_refreshes_often_goes_on(database: Database, disk: DiskStorage) -> None:
    ada = make_user(database, "ada")
    with database.write() as session:
        family = _sign_in(ada, used_at=1)
        session.add(family)
        session.flush()
        family_id = family.id
        session.add_all(_sign_in(ada, family=family_id, used_at=1) for _ in range(ROWS))
    with database.write() as session:
        last = _sign_in(ada, family=family_id)
        session.add(last)
        session.flush()
        last_id = last.id
    trim(database, disk)
    with database.read() as session:
        rows = set(session.scalars(select(SignIn.id)))
    assert len(rows) == KEEP + 2
    assert {family_id, last_id} <= rows


def test_expired_results_leave_no_waveform(database: Database) -> None:
    ada = make_user(database, "ada")
    with database.write() as session:
        job = _job(ada, "finished", result_key="results/1", expires_at=1)
        session.add(job)
        session.flush()
        session.add(Waveform(job_id=job.id, segment=0, step_s=1.0, duration_s=1.0, peaks=b"1"))
    with database.write() as session:
        assert lifecycle.expire(session, 10) == (1, ["results/1"])
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Waveform)) == 0
