"""The conditional UPDATE that every change of a row is made with.

MySQL assigns from left to right, and a later assignment sees the earlier ones, so a value may refer to its own column
only.
"""

from typing import Any

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from video2mp3.database.statements import rows_changed
from video2mp3.database.tables import Batch, Job, Notification, Webhook, Worker

Table = type[Batch] | type[Job] | type[Notification] | type[Webhook] | type[Worker]


def change(session: Session, table: Table, row_id: str, *conditions: ColumnElement[bool], **values: Any) -> bool:
    """Changes one row where it meets the conditions; tells whether it did."""
    statement = update(table).where(table.id == row_id, *conditions).values(**values)
    # Left alone, MySQL may search by the state's index, and two statements about one row then lock it and its entry in
    # the index in different orders: a deadlock (seen with cancel against finish).
    for dialect in ("mysql", "mariadb"):
        statement = statement.with_hint("FORCE INDEX (PRIMARY)", dialect_name=dialect)
    return rows_changed(session, statement) == 1


def change_all(session: Session, table: Table, *conditions: ColumnElement[bool], **values: Any) -> int:
    """Changes all rows that meet the conditions; returns their number."""
    return rows_changed(session, update(table).where(*conditions).values(**values))
