"""Commits that wait for the database to come back."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session

from video2mp3.database.connection import Database
from video2mp3.errors import DatabaseUnavailable

T = TypeVar("T")

PATIENCE_S = 60.0
_PAUSE_S = 1.0


def commit_with_retry(database: Database, write: Callable[[Session], T], patience_s: float = PATIENCE_S) -> T | None:
    """Tries until the database answers; None when it did not within `patience_s` seconds.

    After None the commit may have happened all the same. `write` is called again after an answer was lost, so it has
    to be a conditional statement that says so when it has been done before.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            with database.write() as session:
                return write(session)
        except DatabaseUnavailable:
            if time.monotonic() > deadline_s:
                return None
            time.sleep(_PAUSE_S)
