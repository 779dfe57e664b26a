"""Chooses the next job to fetch a file for, or to send the result of.

Both wait for servers that users name, so each user and each server gets a share of a worker's transfers.
"""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from video2mp3.database.clock import now
from video2mp3.database.tables import Job
from video2mp3.jobs.lifecycle import Transfer

# Number of a user's jobs that are considered, to find one whose server is not busy.
_LOOKED_AT = 20
_STATES: dict[Transfer, str] = {"fetch": "waiting", "send": "processing"}


@dataclass(frozen=True)
class TransferLimits:
    """Limits for concurrent transfers of one kind in a worker."""

    of_all: int = 8

    @property
    def of_a_user(self) -> int:
        """For one user, so that others can start at once."""
        return max(1, self.of_all // 4)

    @property
    def to_a_host(self) -> int:
        """With one host, for all users; a user without a transfer to it may start one beyond the limit."""
        return max(1, self.of_all * 3 // 4)

    @property
    def for_newcomers(self) -> int:
        """Reserved for users without a running transfer."""
        return self.of_all // 4


def next_transfer(
    session: Session, transfer: Transfer, worker_id: str, limits: TransferLimits, turns: Mapping[str, int]
) -> tuple[str, str] | None:
    """Returns the id and the user of the job whose transfer a worker starts next; None if there is none.

    It is a job of the user with the fewest running transfers of this kind in all workers; among equals, of the user who
    was served longest ago (`turns`: the greatest is the latest).
    """
    due_at = _due_at(session, transfer)
    if not due_at:
        return None
    held, own = _going_on(session, transfer, worker_id)
    of_users, hosts = Counter(user_id for user_id, _ in own), Counter(host for _, host in own)
    is_for_newcomers = len(own) >= limits.of_all - limits.for_newcomers
    in_order = sorted(due_at, key=lambda user_id: (held[user_id], turns.get(user_id, 0), due_at[user_id], user_id))
    for user_id in in_order:
        if of_users[user_id] >= limits.of_a_user or (held[user_id] and is_for_newcomers):
            continue
        # Transfers of other users never keep a user from a host.
        busy_hosts = {host for user, host in own if user == user_id and hosts[host] >= limits.to_a_host}
        if job_id := _first_due(session, transfer, user_id, busy_hosts):
            return job_id, user_id
    return None


def waiting_newcomers(session: Session, transfer: Transfer) -> int:
    """Returns how many users have a due transfer of this kind, and none running in any worker."""
    waiting = session.scalars(select(Job.user_id).where(*_is_due(transfer)).group_by(Job.user_id))
    return len(set(waiting) - set(session.scalars(select(Job.user_id).where(*_is_held(transfer)))))


def _due_at(session: Session, transfer: Transfer) -> dict[str, int]:
    """The users with such jobs, and when their first one is due."""
    groups = select(Job.user_id, func.min(Job.not_before)).where(Job.transfer == transfer).group_by(Job.user_id)
    return {row[0]: row[1] for row in session.execute(groups)}


def _going_on(session: Session, transfer: Transfer, worker_id: str) -> tuple[Counter[str], list[tuple[str, str]]]:
    """The number of each user's running transfers in all workers, and the user and host of each in this worker."""
    url = _url(transfer)
    rows = session.execute(select(Job.user_id, Job.lease_owner, url).where(*_is_held(transfer))).all()
    return Counter(row[0] for row in rows), [(row[0], _host(row[2])) for row in rows if row[1] == worker_id]


def _first_due(session: Session, transfer: Transfer, user_id: str, busy_hosts: Container[str]) -> str | None:
    due = (*_is_due(transfer), Job.user_id == user_id)
    found = select(Job.id, _url(transfer)).where(*due).order_by(Job.not_before, Job.id).limit(_LOOKED_AT)
    return next((job_id for job_id, url in session.execute(found) if _host(url) not in busy_hosts), None)


def _is_due(transfer: Transfer) -> tuple[ColumnElement[bool], ...]:
    return (Job.transfer == transfer, Job.not_before <= now(), Job.lease_until.is_(None))


def _is_held(transfer: Transfer) -> tuple[ColumnElement[bool], ...]:
    # Uses the index of leases, because there may be many transfers that no worker holds.
    return (Job.state == _STATES[transfer], Job.lease_until > 0, Job.transfer == transfer)


def _url(transfer: Transfer) -> InstrumentedAttribute[str | None]:
    return Job.source_url if transfer == "fetch" else Job.result_url


def _host(url: str | None) -> str:
    return urlsplit(url or "").hostname or ""
