"""The conditional UPDATE that every change of a row is made with."""

from typing import Any

from sqlalchemy import ColumnElement, CursorResult, update
from sqlalchemy.orm import Session

from video2mp3.database.tables import Base


def change(session: Session, table: type[Base], *conditions: ColumnElement[bool], **values: Any) -> int:
    """Changes the rows that meet all conditions, in one statement; returns their number.

    MySQL assigns from left to right, and a later assignment sees the earlier ones, so a value may refer to its own
    column only.
    """
    statement = update(table).where(*conditions).values(**values)
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount
