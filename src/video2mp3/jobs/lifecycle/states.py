"""States of a job, and the columns and conditions that its changes have in common."""

from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change
from video2mp3.database.tables import Job
from video2mp3.errors import Canceled, Video2mp3Error
from video2mp3.jobs import counting
from video2mp3.jobs.lifecycle.endings import job_ended

Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
"""A row holds the index. Priorities order a user's own jobs, and are weights between users: see `fair_queueing`."""
NORMAL = 1
Transfer = Literal["fetch", "send"]
LEASE_S = 30
"""A claim holds for this long after its last heartbeat."""
FAILURES_LIMIT = 3
"""Attempts in all before a failure of the engine is final."""
LOST_LEASES_LIMIT = 10
"""Workers that one job may lose."""
FIRST_FAILURE_BACKOFF_S = 2
UNREACHABLE_LIMIT = 5
"""Attempts in all with an unreachable server of a user: within half an hour."""
FIRST_UNREACHABLE_BACKOFF_S = 15
FIRST_DAMAGE_BACKOFF_S = 60
"""Missing bytes may be back when a disk is mounted again, or a replica has caught up."""
FIRST_OUTAGE_BACKOFF_S = 5
MAX_OUTAGE_BACKOFF_S = 300


cancel_requested = Job.cancel_requested.is_(True)
not_canceled = Job.cancel_requested.is_(False)
no_result: dict[str, Any] = {"result_key": None, "result_checksums": None, "expires_at": None}
leased = (Job.state.in_(("processing", "waiting")), or_(Job.state == "processing", Job.transfer.is_not(None)))
no_lease: dict[str, Any] = {"lease_owner": None, "lease_until": None}


def cancel_where(session: Session, job_id: str, *conditions: ColumnElement[bool]) -> bool:
    """Cancels a job if the conditions hold; returns whether it did."""
    canceled = change(session, Job, job_id, *conditions, **ended("canceled"), **no_result)
    if canceled:
        counting.became(session, "canceled", Canceled.code)
        job_ended(session, job_id)
    return canceled


def queued(pause_s: float) -> dict[str, Any]:
    """The values of a job that waits for a worker, from now on or after a pause."""
    not_before = now() + int(pause_s * SECOND) if pause_s else 0
    return {**no_lease, "state": "queued", "not_before": not_before, "announced_until": 0, "percent": 0, "done_s": 0.0}


def again(transfer: Transfer | None, pause_s: float) -> dict[str, Any]:
    """The values of another attempt: at the conversion, or at a transfer, which keeps the state."""
    values = queued(pause_s)
    return values if transfer is None else {**no_lease, "not_before": values["not_before"]}


def ended(state: str) -> dict[str, Any]:
    """The values of a job in a final state."""
    return {**no_lease, "state": state, "transfer": None, "ended_at": now()}


def failed(error: Video2mp3Error) -> dict[str, Any]:
    """The values of a failed job."""
    return {**ended("failed"), **no_result, "error_code": error.code, "error_detail": error.detail}
