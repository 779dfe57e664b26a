"""Makes the rows that tests of jobs begin with, and sets them back in time."""

import itertools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import update

from tests.options import resolved
from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Notification, Upload, User, new_id
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim
from video2mp3.jobs.sources import JobSpec
from video2mp3.outbox import webhooks

_numbers = itertools.count(1)


def make_user(database: Database, username: str | None = None, email: str | None = None) -> str:
    """A user; the address, or the name where it is one, is verified."""
    user_id = new_id()
    name = username or f"user{next(_numbers)}"
    email = email or (name if "@" in name else None)
    user = User(id=user_id, username=name, username_key=name.casefold(), email=email, created_at=now())
    with database.write() as session:
        user.email_verified_at = now() if email else None
        session.add(user)
    return user_id


def make_upload(database: Database, user_id: str, name: str = "talk.mp4", state: str = "complete") -> str:
    """An upload without chunks."""
    upload_id = new_id()
    with database.write() as session:
        session.add(
            Upload(
                id=upload_id,
                user_id=user_id,
                name=name,
                state=state,
                size_bytes=1000,
                received_bytes=1000,
                created_at=now(),
                expires_at=now() + 3600 * SECOND,
            )
        )
    return upload_id


def submit(database: Database, user_id: str, upload_id: str | None = None, **arguments: Any) -> Job:
    upload_id = upload_id or make_upload(database, user_id)
    options = resolved(**arguments.pop("options", {}))
    of_all = {name: arguments.pop(name, None) for name in ("idempotency", "batch_id")}
    spec = JobSpec(options, upload_id, **arguments)
    with database.write() as session:
        (job,) = lifecycle.submit(session, user_id, [spec], **of_all)
        return job


def claim(database: Database, job_id: str, worker_id: str = "w" * 32) -> Claim | None:
    with database.write() as session:
        return lifecycle.claim(session, job_id, worker_id)


def claimed(database: Database, job_id: str, worker_id: str = "w" * 32) -> Claim:
    """Claims a job at once, whatever its backoff."""
    change_job(database, job_id, not_before=0)
    taken = claim(database, job_id, worker_id)
    assert taken is not None
    return taken


def finish(database: Database, claim: Claim, key: str | None = None) -> bool:
    with database.write() as session:
        key = key or f"results/{claim.job_id}/{claim.fence}.mp3"
        result = lifecycle.NewResult(key, "0" * 64, b"0000", 1000, 1.5, {"samples": 72_000})
        return lifecycle.finish(session, claim, result, retention_s=3600)


def read_job(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return session.get_one(Job, job_id)


def make_webhook(
    database: Database, user_id: str, url: str, events: Sequence[str] = webhooks.EVENTS
) -> tuple[str, str]:
    """A webhook that leads anywhere; its id and its secret."""
    with database.write() as session:
        webhook = webhooks.create(session, user_id, url, events)
    return webhook.id, webhook.secret


def notifications_of(database: Database, job_id: str) -> list[Notification]:
    with database.read() as session:
        return session.query(Notification).filter_by(job_id=job_id).all()


def change_job(database: Database, job_id: str, **values: Any) -> None:
    """Writes into the row directly, as when time had passed."""
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def seconds_from_now(database: Database, time: int) -> float:
    """How far a time of the database lies ahead."""
    with database.read() as session:
        return (time - session.scalars(now().select()).one()) / SECOND
