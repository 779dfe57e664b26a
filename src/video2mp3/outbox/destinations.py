"""Hosts that fail to accept a user's webhooks: after some failures in a row, all deliveries to them pause.

So hundreds of deliveries to an endpoint that is down cost one attempt in a while (a circuit breaker). What is
remembered is of one user and one host: nobody slows others' deliveries to a host that they share.
"""

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.backoff import backoff_s
from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change_all, rows_changed
from video2mp3.database.tables import Destination

SLOWED_AFTER = 3
"""Failures in a row."""
FIRST_PAUSE_S = 10
MAX_PAUSE_S = 900
"""The longest pause: a host that has recovered gets its deliveries within this time."""
_FORGOTTEN_S = 86_400


def record_failure(session: Session, user_id: str, host: str) -> bool:
    """Counts a delivery that failed; returns whether all deliveries to the host pause now."""
    mine = _of(user_id, host)
    if not change_all(session, Destination, *mine, failures=Destination.failures + 1):
        try:
            with session.begin_nested():
                session.add(Destination(user_id=user_id, host=host, failures=1, not_before=now()))
        except IntegrityError:  # another delivery added it at the same time
            change_all(session, Destination, *mine, failures=Destination.failures + 1)
    failures = session.scalar(select(Destination.failures).where(*mine)) or 1
    if failures < SLOWED_AFTER:
        return False
    pause_s = backoff_s(failures - SLOWED_AFTER + 1, first_s=FIRST_PAUSE_S, max_s=MAX_PAUSE_S)
    change_all(session, Destination, *mine, not_before=now() + int(pause_s * SECOND))
    return True


def record_success(session: Session, user_id: str, host: str) -> None:
    """Ends the pause: the host answered, or the user asks for another attempt."""
    rows_changed(session, delete(Destination).where(*_of(user_id, host)))


def delete_old(session: Session) -> int:
    """Deletes the hosts to which nothing was sent for a day; returns how many."""
    return rows_changed(session, delete(Destination).where(Destination.not_before < now() - _FORGOTTEN_S * SECOND))


def _of(user_id: str, host: str) -> tuple[ColumnElement[bool], ...]:
    return (Destination.user_id == user_id, Destination.host == host)
