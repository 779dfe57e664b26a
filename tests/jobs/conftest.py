from collections.abc import Iterator

import pytest

from tests.jobs.rows import make_user
from video2mp3.database import migrate
from video2mp3.database.connection import Database


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database of each kind, with its tables."""
    database = Database(database_url)
    migrate.upgrade(database)
    yield database
    database.close()


@pytest.fixture
def user_id(database: Database) -> str:
    """A user of that database."""
    return make_user(database)
