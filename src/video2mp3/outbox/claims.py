"""How a message of the outbox is claimed, and what becomes of it after an attempt: the same for both of its tables.

Notifications (emails and webhooks about conversions) and the emails with one-time tokens are rows with the columns of
`OutboxRow`. A row is `queued`, then `sending` while a notifier holds it, and ends as `sent` or `failed`. Each change
is one conditional statement, and the number of the attempt is its fence: a notifier that comes late changes nothing.
After an attempt that failed there is another one, later each time, until the row expires. `reap` queues the rows of
notifiers that died.
"""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from video2mp3.backoff import backoff_s
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change
from video2mp3.database.tables import Notification, OneTimeToken

Table = type[Notification] | type[OneTimeToken]
End = Literal["sent", "retried", "failed"]
"""How an attempt ended: well; with another one later, unless the row expires before; or for good."""

LEASE_S = 300
"""Longer than sending can take: a message sent twice is worse than one that is late."""
FIRST_BACKOFF_S = 10
MAX_BACKOFF_S = 3600

_REAPED_AT_ONCE = 100


@dataclass(frozen=True)
class Claim:
    """A row that a notifier holds, as long as its `attempt` is the row's."""

    table: Table
    row_id: str
    attempt: int


def claim(session: Session, row: Notification | OneTimeToken, **values: Any) -> bool:
    """Claims a queued row for its next attempt; False when another notifier has it."""
    table = type(row)
    unchanged = (table.state == "queued", table.attempts == row.attempts)
    held = {"state": "sending", "attempts": row.attempts + 1, "lease_until": now() + LEASE_S * SECOND}
    return change(session, table, row.id, *unchanged, **held, **values)


def end(session: Session, claimed: Claim, how: End, **values: Any) -> bool:
    """Writes how an attempt ended; False when the claim was lost."""
    if how == "sent":
        return _leave(session, claimed, state="sent", sent_at=now(), **values)
    is_queued = how == "retried" and _retry(session, claimed, **values)
    return is_queued or _leave(session, claimed, state="failed", **values)


def reap(session: Session) -> int:
    """Queues the messages whose notifier died while sending; returns their number."""
    return _reap(session, Notification) + _reap(session, OneTimeToken)


def _retry(session: Session, claimed: Claim, **values: Any) -> bool:
    pause_s = backoff_s(claimed.attempt, first_s=FIRST_BACKOFF_S, max_s=MAX_BACKOFF_S)
    not_before = now() + int(pause_s * SECOND)
    in_time = claimed.table.expires_at > not_before
    return _leave(session, claimed, in_time, state="queued", not_before=not_before, **values)


def _reap(session: Session, table: Table) -> int:
    lost = (table.state == "sending", table.lease_until <= now())
    ids = session.scalars(select(table.id).where(*lost).order_by(table.id).limit(_REAPED_AT_ONCE)).all()
    return sum(change(session, table, row_id, *lost, state="queued", lease_until=None) for row_id in ids)


def _leave(session: Session, claimed: Claim, *conditions: ColumnElement[bool], **values: Any) -> bool:
    held = (claimed.table.attempts == claimed.attempt, claimed.table.state == "sending")
    return change(session, claimed.table, claimed.row_id, *held, *conditions, lease_until=None, **values)
