"""Waveforms that a conversion has recorded are written with its end, in one transaction."""

from sqlalchemy import select

from tests.jobs.rows import claim, make_user, submit
from video2mp3.database.connection import Database
from video2mp3.database.tables import Waveform
from video2mp3.engine import Waveform as Recorded
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim

RECORDED = {1: Recorded(1.5, 0.5, (0, 64, 128)), 2: Recorded(0.5, 0.5, (7,))}


def finish(database: Database, claimed: Claim) -> bool:
    with database.write() as session:
        key = f"results/{claimed.job_id}/{claimed.fence}.zip"
        result = lifecycle.NewResult(key, "0" * 64, b"", 1000, 2, waveforms=RECORDED)
        return lifecycle.finish(session, claimed, result, retention_s=3600)


def rows(database: Database) -> dict[int, list[int]]:
    with database.read() as session:
        return {row.segment: list(row.peaks) for row in session.scalars(select(Waveform))}


def test_they_are_kept_once_however_often_the_end_is_written(database: Database) -> None:
    job = submit(database, make_user(database))
    claimed = claim(database, job.id)
    assert claimed is not None
    assert finish(database, claimed)
    assert rows(database) == {1: [0, 64, 128], 2: [7]}
    assert finish(database, claimed), "an answer that was lost is asked for again"
    assert rows(database) == {1: [0, 64, 128], 2: [7]}


def test_a_job_that_was_canceled_has_none(database: Database) -> None:
    user_id = make_user(database)
    claimed = claim(database, submit(database, user_id).id)
    assert claimed is not None
    with database.write() as session:
        lifecycle.cancel(session, claimed.job_id, user_id)
    assert not finish(database, claimed)
    assert rows(database) == {}
