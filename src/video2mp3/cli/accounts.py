"""Accounts from the command line."""

from video2mp3.accounts import audit, users
from video2mp3.database import migrate
from video2mp3.settings import Settings
from video2mp3.wiring import open_database


def add(settings: Settings, username: str, password: str, *, email: str | None, role: str) -> None:
    """Makes an account, and the tables first where there are none.

    Raises:
        InvalidRequest: when the name, the password or the address is not allowed.
        UsernameTaken: when somebody has the name.
    """
    database = open_database(settings)
    try:
        migrate.upgrade(database)
        with database.write() as session:
            user = users.register(
                session,
                username=username,
                password=password,
                email=email,
                role=role,
                password_min_length=settings.password_min_length,
            )
            audit.note(session, "account.made", by=None, about=user.id, detail=role)
    finally:
        database.close()
