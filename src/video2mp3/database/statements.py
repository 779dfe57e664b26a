"""What statements that change rows have in common."""

from sqlalchemy import CursorResult, Delete, Update, select
from sqlalchemy.orm import Session

from video2mp3.database.tables import User


def rows_changed(session: Session, statement: Update | Delete) -> int:
    """Executes the statement; returns how many rows met its conditions. Objects in the session stay as read."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount


def lock_user(session: Session, user_id: str) -> None:
    """Lets one transaction at a time count what a user has and add to it. To be called before rows are locked.

    SQLite has one writer at a time anyway.
    """
    session.execute(select(User.id).where(User.id == user_id).with_for_update())
