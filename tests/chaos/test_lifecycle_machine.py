"""Every order of everything that can happen to jobs, against a model of what their states are to be."""

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event

from tests.chaos.figures import LONG, record
from tests.databases import new_sqlite
from tests.jobs.rows import change_job, claim, finish, make_upload, make_user, submit
from video2mp3.database.connection import Database
from video2mp3.database.tables import Job, Notification, Upload
from video2mp3.errors import (
    Canceled,
    Conflict,
    EngineCrashed,
    EngineError,
    NoAudio,
    StorageUnavailable,
    Video2mp3Error,
)
from video2mp3.jobs import lifecycle
from video2mp3.jobs.lifecycle import Claim
from video2mp3.jobs.sources import STALLS_LIMIT

_STEPS = 40
_ENDED = ("finished", "failed", "canceled")


def _open(path: Path) -> Database:
    database = Database(f"sqlite:///{path}")

    @event.listens_for(database.engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:
        # What is on the disk after a power cut is not the question here.
        connection.execute("PRAGMA synchronous = OFF")

    return database


@dataclass
class Model:
    """What a job's row has to say."""

    job_id: str
    upload_id: str
    state: str
    is_due: bool = True
    fence: int = 0
    failures: int = 0
    lost_leases: int = 0
    cancel_requested: bool = False
    lease_is_over: bool = False
    claims: list[Claim] = field(default_factory=list)
    result_key: str | None = None

    def holds(self, claim: Claim) -> bool:
        return self.state == "processing" and self.fence == claim.fence

    def leave(self, state: str, *, is_due: bool = True) -> bool:
        """Ends a claim; a cancel that was asked for wins. Tells whether it did not."""
        kept = not self.cancel_requested
        self.state, self.is_due = (state, is_due) if kept else ("canceled", True)
        return kept


class Lifecycle(RuleBasedStateMachine):
    """Calls the functions of the life cycle in any order, with claims old and new."""

    models: Bundle[Model] = Bundle("models")
    claims: Bundle[tuple[Model, Claim]] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "test.db"
        new_sqlite(path)
        self._database = _open(path)
        self._user_id = ""
        self._all: list[Model] = []
        self._stalls: Counter[str] = Counter()
        self._complete: set[str] = set()
        """The uploads that are."""

    def teardown(self) -> None:
        self._database.close()
        self._folder.cleanup()

    @initialize()
    def make_user(self) -> None:
        self._user_id = make_user(self._database)

    @rule(target=models, upload_state=st.sampled_from(["complete", "complete", "open"]))
    def submit(self, upload_state: str) -> Model:
        upload_id = make_upload(self._database, self._user_id, state=upload_state)
        job = submit(self._database, self._user_id, upload_id)
        model = Model(job.id, upload_id, "queued" if upload_state == "complete" else "waiting")
        if upload_state == "complete":
            self._complete.add(upload_id)
        self._all.append(model)
        return model

    @rule(model=models)
    def complete_upload(self, model: Model) -> None:
        with self._database.write() as session:
            session.get_one(Upload, model.upload_id).state = "complete"
            session.flush()
            lifecycle.upload_completed(session, model.upload_id)
        self._complete.add(model.upload_id)
        # A job that was tried again waits for the same upload.
        for waiting in self._all:
            if waiting.upload_id == model.upload_id and waiting.state == "waiting":
                waiting.state = "queued"

    @rule(model=models)
    def start_early(self, model: Model) -> None:
        with self._database.write() as session:
            started = lifecycle.start_early(session, model.upload_id)
        early = [m for m in self._all if m.state in ("queued", "processing") and m.upload_id not in self._complete]
        waiting = [m for m in self._all if m.state == "waiting" and m.upload_id == model.upload_id]
        # There are no workers: one is started all the same.
        may_start = waiting and not early and self._stalls[model.upload_id] < STALLS_LIMIT
        assert started == (1 if may_start else 0)
        if started:
            min(waiting, key=lambda one: one.job_id).state = "queued"

    @rule(held=claims)
    def wait_again(self, held: tuple[Model, Claim]) -> None:
        model, claim = held
        with self._database.write() as session:
            given_back = lifecycle.wait_again(session, claim)
        assert given_back == model.holds(claim)
        if given_back:
            is_complete = model.upload_id in self._complete
            self._stalls[model.upload_id] += not is_complete
            model.leave("queued" if is_complete else "waiting")

    @rule(target=claims, model=models)
    def claim(self, model: Model) -> tuple[Model, Claim] | MultipleResults[tuple[Model, Claim]]:
        taken = claim(self._database, model.job_id)
        assert (taken is not None) == (model.state == "queued" and model.is_due)
        if taken is None:
            return multiple()
        model.state, model.fence, model.lease_is_over = "processing", model.fence + 1, False
        assert taken.fence == model.fence
        return model, taken

    @rule(held=claims)
    def heartbeat(self, held: tuple[Model, Claim]) -> None:
        model, claim = held
        with self._database.write() as session:
            answer = lifecycle.heartbeat(session, claim, percent=10, done_s=1.0)
        if model.holds(claim):
            assert answer == ("cancel" if model.cancel_requested else "held")
            model.lease_is_over = False
        else:
            assert answer == "lost"

    @rule(held=claims)
    def finish(self, held: tuple[Model, Claim]) -> None:
        model, claim = held
        key = f"results/{claim.job_id}/{claim.fence}.mp3"
        finished = finish(self._database, claim, key)
        if model.holds(claim) and model.leave("finished"):
            model.result_key = key
        # Asked again after a lost answer, it says the same.
        assert finished == (model.result_key == key)

    @rule(held=claims, error=st.sampled_from([NoAudio(), EngineCrashed(), StorageUnavailable(), Canceled()]))
    def fail(self, held: tuple[Model, Claim], error: Video2mp3Error) -> None:
        model, claim = held
        with self._database.write() as session:
            changed = lifecycle.fail(session, claim, error)
        assert changed == model.holds(claim)
        if not changed:
            return
        if isinstance(error, Canceled):
            model.state = "canceled"
        elif isinstance(error, StorageUnavailable):
            model.leave("queued", is_due=False)
        elif isinstance(error, EngineError):
            again = model.failures + 1 < lifecycle.FAILURES_LIMIT
            if model.leave("queued" if again else "failed", is_due=not again):
                model.failures += 1
        else:
            model.leave("failed")

    @rule(held=claims)
    def release(self, held: tuple[Model, Claim]) -> None:
        model, claim = held
        with self._database.write() as session:
            released = lifecycle.release(session, claim)
        assert released == model.holds(claim)
        if released:
            model.leave("queued")

    @rule(model=models)
    def cancel(self, model: Model) -> None:
        try:
            with self._database.write() as session:
                lifecycle.cancel(session, model.job_id, self._user_id)
        except Conflict:
            assert model.state in _ENDED
        else:
            assert model.state not in _ENDED
            if model.state == "processing":
                model.cancel_requested = True
            else:
                model.state = "canceled"

    @rule(model=models)
    def backoff_passes(self, model: Model) -> None:
        change_job(self._database, model.job_id, not_before=0)
        model.is_due = True

    @rule(model=models)
    def lease_passes(self, model: Model) -> None:
        if model.state == "processing":
            change_job(self._database, model.job_id, lease_until=1)
            model.lease_is_over = True

    @rule()
    def reap(self) -> None:
        with self._database.write() as session:
            lifecycle.reap(session)
        for model in self._all:
            if model.state == "processing" and model.lease_is_over:
                lost_leases = model.lost_leases + 1
                if model.leave("queued" if lost_leases < lifecycle.LOST_LEASES_LIMIT else "failed"):
                    model.lost_leases = lost_leases

    @rule(target=models, model=models)
    def retry(self, model: Model) -> Model | MultipleResults[Model]:
        try:
            with self._database.write() as session:
                job = lifecycle.retry(session, model.job_id, self._user_id)
        except Conflict:
            assert model.state not in ("failed", "canceled")
            return multiple()
        assert model.state in ("failed", "canceled")
        with self._database.read() as session:
            complete = session.get_one(Upload, model.upload_id).state == "complete"
        again = Model(job.id, model.upload_id, "queued" if complete else "waiting")
        self._all.append(again)
        return again

    @rule(model=consumes(models))
    def delete(self, model: Model) -> None:
        try:
            with self._database.write() as session:
                keys = lifecycle.delete(session, model.job_id, self._user_id)
        except Conflict:
            assert model.state not in _ENDED
            return
        assert model.state in _ENDED
        assert keys == ([model.result_key] if model.result_key else [])
        self._all.remove(model)
        model.state, model.result_key = "deleted", None

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        with self._database.read() as session:
            rows = {job.id: job for job in session.query(Job)}
            notified = [row.job_id for row in session.query(Notification)]
        assert sorted(rows) == sorted(model.job_id for model in self._all)
        for model in self._all:
            row = rows[model.job_id]
            says = (row.state, row.fence, row.failures, row.lost_leases, row.cancel_requested, row.result_key)
            assert says == (
                model.state,
                model.fence,
                model.failures,
                model.lost_leases,
                model.cancel_requested,
                model.result_key,
            )
            assert (row.lease_owner is not None) == (row.lease_until is not None) == (model.state == "processing")
            assert (row.ended_at is not None) == (model.state in _ENDED)
            assert notified.count(model.job_id) == (1 if model.state in ("finished", "failed") else 0)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("runs", [200 if LONG else 40])
def test_every_order_of_everything(runs: int) -> None:
    """It should leave each job as the model says, after every step."""
    slow = [HealthCheck.too_slow]
    chosen = settings(max_examples=runs, stateful_step_count=_STEPS, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(Lifecycle, settings=chosen)
    record(8, f"state machine against a model: {runs} runs of up to {_STEPS} steps", "rows as the model says", "all")
