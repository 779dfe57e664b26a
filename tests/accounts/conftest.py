import pytest

from video2mp3.accounts import users
from video2mp3.database.connection import Database
from video2mp3.database.tables import User


@pytest.fixture
def ada(database: Database) -> User:
    """An account without a password."""
    with database.write() as session:
        return users.add(session, username="ada", password_hash=None)
