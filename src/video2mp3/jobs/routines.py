"""What one process does for all of them, every so often."""

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from video2mp3.database.clock import SECOND, now
from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import Routine


def take_turn(session: Session, name: str, every_s: int) -> bool:
    """Tells whether it is the caller's turn: True for one of all who ask within `every_s` seconds.

    Whoever dies in its turn is followed by another one after that time.
    """
    next_at = now() + every_s * SECOND
    due = (Routine.name == name, Routine.due_at <= now())
    if rows_changed(session, update(Routine).where(*due).values(due_at=next_at)):
        return True
    if session.scalar(select(Routine.name).where(Routine.name == name)) is not None:
        return False
    try:
        # The first time ever.
        with session.begin_nested():
            session.add(Routine(name=name, due_at=next_at))
    except IntegrityError:
        return False
    return True
