"""Periodic tasks that one of all processes runs in each interval."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import change_all
from video2mp3.database.tables import PeriodicTask


def try_acquire(session: Session, name: str, every_s: int) -> bool:
    """Acquires a task for this interval: True for one of all callers within `every_s` seconds.

    If that process dies, another one acquires the task in the next interval.
    """
    next_at = now() + every_s * SECOND
    due = (PeriodicTask.name == name, PeriodicTask.due_at <= now())
    if change_all(session, PeriodicTask, *due, due_at=next_at):
        return True
    if session.scalar(select(PeriodicTask.name).where(PeriodicTask.name == name)) is not None:
        return False
    return _add(session, name, next_at)


def lock(session: Session, name: str) -> None:
    """Locks a task until the end of the transaction. SQLite has one writer at a time anyway."""
    locked = select(PeriodicTask.name).where(PeriodicTask.name == name).with_for_update()
    if session.scalar(locked) is None:
        _add(session, name, 0)
        session.scalar(locked)


def _add(session: Session, name: str, due_at: ColumnElement[int] | int) -> bool:
    """Creates the row; False if another process has created it."""
    try:
        with session.begin_nested():
            session.add(PeriodicTask(name=name, due_at=due_at))
    except IntegrityError:
        return False
    return True
