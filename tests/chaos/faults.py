"""Guards of the product taken out, one at a time, to see that the invariant checker misses them."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.connection import Database
from video2mp3.database.statements import change
from video2mp3.database.tables import Job
from video2mp3.jobs import lifecycle
from video2mp3.jobs.housekeeping.relay import Relay
from video2mp3.jobs.lifecycle import Claim, claims
from video2mp3.worker import loop

_YEARS_S = 10 * 365 * 86_400


def without_fence() -> None:
    """Whoever held a job once may write its end."""

    def held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
        return (Job.state == "processing",)

    _replace(claims, "_held", held)


def without_claim_cas() -> None:
    """A message is enough to take a job, whatever its row says."""

    def claim(session: Session, job_id: str, worker_id: str) -> Claim | None:
        values = {"state": "processing", "fence": Job.fence + 1, "lease_owner": worker_id, "announced_until": 0}
        change(session, Job, job_id, **values, lease_until=now() + lifecycle.LEASE_S * SECOND, started_at=now())
        job = session.get_one(Job, job_id, populate_existing=True)
        return Claim(job.id, job.fence, job.user_id, job.upload_id, job.source_name, job.options)

    def take_next(database: Database, announced_job_id: str, worker_id: str) -> Claim | None:
        with database.write() as session:
            return claim(session, announced_job_id, worker_id)

    _replace(lifecycle, "claim", claim)
    _replace(loop, "take_next", take_next)


def without_finish_cas() -> None:
    """Whoever has converted finishes the job, whatever has become of it."""

    def leave(session: Session, claim: Claim, *_conditions: ColumnElement[bool], **values: Any) -> bool:
        return change(session, Job, claim.job_id, **values)

    _replace(claims, "_leave", leave)


def without_outbox() -> None:
    """Each job is published once; what the broker loses is not published again."""
    original = Relay.__init__

    def init(self: Relay, *args: Any, **kwargs: Any) -> None:
        original(self, *args, announced_s=_YEARS_S)

    _replace(Relay, "__init__", init)


FAULTS: dict[str, Callable[[], None]] = {
    "fence": without_fence,
    "claim_cas": without_claim_cas,
    "finish_cas": without_finish_cas,
    "outbox": without_outbox,
}


def _replace(owner: Any, name: str, value: object) -> None:
    assert hasattr(owner, name)
    setattr(owner, name, value)
