"""Two administrators who shut each other out at the same moment: one of them has to remain."""

import threading
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import update

from tests.abuse.conftest import StartService
from tests.acceptance.service import PASSWORD, Service
from video2mp3.accounts import users
from video2mp3.database.connection import Database
from video2mp3.database.tables import User

ATTEMPTS = 25
CHANGES: list[dict[str, object]] = [{"role": "user"}, {"disabled": True}]


def without_lock() -> None:
    """Nobody looks whether an administrator is left."""
    users._require_other_admin = lambda session, user: None


@pytest.fixture
def stored(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def is_nobody_left(service: Service, stored: Database) -> bool:
    """Two administrators race 25 times, or until none is left; returns whether that came."""
    with service.user("ada") as ada, service.user("eve") as eve, service.user("somebody") as somebody:
        ids = {client: client.get("/v1/me").json()["id"] for client in (ada, eve)}
        for attempt in range(ATTEMPTS):
            _let_in(stored, ids)
            change, together = CHANGES[attempt % 2], threading.Barrier(2)
            threads = [
                threading.Thread(target=_shut_out, args=(own, ids[other], change, together))
                for own, other in ((ada, eve), (eve, ada))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            with stored.read() as session:
                left = sum(
                    users.find_any(session, one).role == "admin" and users.find(session, one) is not None
                    for one in ids.values()
                )
            if left == 0:
                return True
        assert somebody.get("/v1/me").status_code == 200
        return False


def _shut_out(own: httpx.Client, other_id: str, change: dict[str, object], together: threading.Barrier) -> None:
    together.wait()
    own.patch(f"/v1/admin/users/{other_id}", json=change)


def _let_in(stored: Database, ids: dict[httpx.Client, str]) -> None:
    with stored.write() as session:
        session.execute(update(User).where(User.id.in_(ids.values())).values(role="admin", disabled_at=None))
    for client in ids:
        if client.get("/v1/me").status_code == 401:  # whoever was disabled signs in anew
            name = {"username": "ada" if client is next(iter(ids)) else "eve", "password": PASSWORD}
            token = client.post("/v1/sessions", json=name, headers={"Authorization": ""}).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"


def test_an_administrator_is_left(start_service: StartService, database_url: str, stored: Database) -> None:
    with start_service(database_url=database_url) as service:
        assert not is_nobody_left(service, stored)


def test_without_the_lock_nobody_is_left(start_service: StartService, database_url: str, stored: Database) -> None:
    with start_service(without_lock, database_url=database_url) as service:
        assert is_nobody_left(service, stored)
