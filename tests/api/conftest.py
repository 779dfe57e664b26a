"""A real service for each test: uvicorn in a thread on a free port, SQLite, a folder, the queue in memory."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import update

from tests.databases import new_sqlite
from video2mp3.accounts import passwords
from video2mp3.api.application import create_app
from video2mp3.api.frame.services import Services
from video2mp3.api.server.protocol import BoundedHeadProtocol
from video2mp3.database.connection import Database
from video2mp3.database.tables import User
from video2mp3.outbound import Guard
from video2mp3.queue.memory import MemoryQueue
from video2mp3.settings import Settings, load_settings
from video2mp3.storage.disk import DiskStorage

PASSWORD = "correct horse battery"
Serve = Callable[[Services], str]


@pytest.fixture(autouse=True, scope="package")
def _quick_passwords() -> Iterator[None]:
    """Hashes of 1 ms instead of 30; tests/accounts/test_passwords.py checks the true figures."""
    hasher = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", hasher)
        patch.setattr(passwords, "_NOBODY", hasher.hash("nobody's password"))
        yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path)


@pytest.fixture
def services(settings: Settings, tmp_path: Path) -> Iterator[Services]:
    """The parts of an embedded service on which every request needs an account."""
    database = Database(new_sqlite(settings.data_dir / "video2mp3.db"))
    queue = MemoryQueue()
    storage = DiskStorage(tmp_path / "storage")
    yield Services(settings, database, queue, storage, lambda: None, Guard(), trust_loopback=False)
    storage.close()
    queue.close()
    database.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts the API with the given services and returns its URL."""
    with contextlib.ExitStack() as stack:
        yield lambda services: stack.enter_context(serving(services))


def serving(services: Services) -> contextlib.AbstractContextManager[str]:
    """The API with these services; its URL."""
    return serving_app(create_app(services))


class _Server(uvicorn.Server):
    """Ends as soon as it is told and has nothing to do; uvicorn's own sleeps for a tenth of a second, several times."""

    def end(self) -> None:
        """Ends it; call this from another thread."""
        self._loop.call_soon_threadsafe(self._ended.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # idle connections are closed then
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            await self.lifespan.shutdown()


@contextlib.contextmanager
def serving_app(app: FastAPI) -> Iterator[str]:
    """An application; its URL. At the end it waits 2 s for requests that are under way."""
    config = uvicorn.Config(
        app,
        http=BoundedHeadProtocol,
        ws="none",
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    thread = threading.Thread(target=server.run, name="api-under-test")
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.end()
        thread.join()


@pytest.fixture
def url(services: Services, serve: Serve) -> str:
    """The URL of a running service."""
    return serve(services)


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """A client that has not signed in."""
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


@dataclass(frozen=True)
class SignedIn:
    """A user's client; it sends the access token with every request."""

    http: httpx.Client
    user_id: str
    username: str
    access_token: str
    refresh_token: str


SignIn = Callable[[str], SignedIn]


@pytest.fixture
def sign_in(client: httpx.Client) -> Iterator[SignIn]:
    """Makes the account of that name and signs in to it."""
    with contextlib.ExitStack() as stack:

        def make(username: str) -> SignedIn:
            credentials = {"username": username, "password": PASSWORD}
            account = client.post("/v1/accounts", json=credentials).raise_for_status().json()
            tokens = client.post("/v1/sessions", json=credentials).raise_for_status().json()
            headers = {"Authorization": f"Bearer {tokens['access_token']}"}
            http = stack.enter_context(httpx.Client(base_url=client.base_url, headers=headers, timeout=30))
            return SignedIn(http, account["id"], username, tokens["access_token"], tokens["refresh_token"])

        yield make


@pytest.fixture
def ada(sign_in: SignIn) -> SignedIn:
    return sign_in("ada")


@pytest.fixture
def root(sign_in: SignIn, services: Services) -> SignedIn:
    """An administrator."""
    user = sign_in("root")
    with services.database.write() as session:
        session.execute(update(User).where(User.id == user.user_id).values(role="admin"))
    return user


@pytest.fixture
def bob(sign_in: SignIn) -> SignedIn:
    return sign_in("bob")
