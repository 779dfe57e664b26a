"""It should cancel all that it is asked for, and leave room for other writers in between."""

from typing import Any

import pytest

from tests.jobs.rows import claimed, make_upload, make_user, read_job, submit
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job
from video2mp3.jobs import lifecycle
from video2mp3.jobs.canceling import cancel_all


def test_all_jobs_of_the_user_are_canceled_and_no_others(database: Database, user_id: str) -> None:
    upload_id = make_upload(database, user_id)
    jobs = [submit(database, user_id, upload_id) for _ in range(25)]
    running = claimed(database, jobs[0].id)
    other = make_user(database)
    others = submit(database, other, make_upload(database, other))
    cancel_all(database, user_id)
    assert {read_job(database, job.id).state for job in jobs[1:]} == {"canceled"}
    assert read_job(database, running.job_id).cancel_requested
    assert read_job(database, others.id).state == "queued"


def test_only_those_that_meet_the_conditions(database: Database, user_id: str) -> None:
    upload_id = make_upload(database, user_id)
    first, second = (submit(database, user_id, upload_id, tag=tag) for tag in ("a", "b"))
    cancel_all(database, user_id, Job.tag == "a")
    assert (read_job(database, first.id).state, read_job(database, second.id).state) == ("canceled", "queued")


def test_others_write_in_between(database: Database, user_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_id = make_upload(database, user_id)
    for _ in range(25):
        submit(database, user_id, upload_id)
    sessions = set()

    def noting(session: Any, job_id: str, user_id: str, cancel: Any = lifecycle.cancel) -> Job:
        sessions.add(session)
        job: Job = cancel(session, job_id, user_id)
        return job

    monkeypatch.setattr(lifecycle, "cancel", noting)
    cancel_all(database, user_id)
    assert len(sessions) >= 3
