"""The conditional statements that rows are changed with.

MySQL assigns from left to right, and a later assignment sees the earlier ones, so a value may refer to its own column
only.
"""

from typing import Any, TypeVar

from sqlalchemy import ColumnElement, CursorResult, Delete, Update, select, update
from sqlalchemy.orm import Session

from video2mp3.database.tables import (
    ApiKey,
    Base,
    Batch,
    Job,
    Notification,
    OneTimeToken,
    SignIn,
    Upload,
    User,
    Webhook,
    Worker,
)

Row = TypeVar("Row", bound=Base)
Table = type[ApiKey | Batch | Job | Notification | OneTimeToken | SignIn | Upload | User | Webhook | Worker]


def insert(session: Session, row: Row) -> Row:
    """Adds a row; returns it with the values that the database computes, such as times."""
    session.add(row)
    session.flush()
    session.refresh(row)
    return row


def rows_changed(session: Session, statement: Update | Delete) -> int:
    """Executes the statement; returns how many rows met its conditions. Objects in the session stay as read."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount


def change(session: Session, table: Table, row_id: str, *conditions: ColumnElement[bool], **values: Any) -> bool:
    """Changes one row where it meets the conditions; returns whether it did."""
    statement = update(table).where(table.id == row_id, *conditions).values(**values)
    # Left alone, MySQL may search by the state's index, and two statements about one row then lock it and its entry in
    # the index in different orders: a deadlock (seen with cancel against finish).
    for dialect in ("mysql", "mariadb"):
        statement = statement.with_hint("FORCE INDEX (PRIMARY)", dialect_name=dialect)
    return rows_changed(session, statement) == 1


def change_all(session: Session, table: type[Base], *conditions: ColumnElement[bool], **values: Any) -> int:
    """Changes all rows that meet the conditions; returns their number."""
    return rows_changed(session, update(table).where(*conditions).values(**values))


def lock_user(session: Session, user_id: str) -> None:
    """Lets one transaction at a time count what a user has and add to it. To be called before rows are locked.

    SQLite has one writer at a time anyway.
    """
    session.execute(select(User.id).where(User.id == user_id).with_for_update())
