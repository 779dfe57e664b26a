"""`video2mp3 serve`: whole, for all cases that leave it as it was; or one for a case alone, without a guard of it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.abuse.program import arguments
from tests.acceptance.service import PASSWORD, Role, Service, base_env, embedded, mail_env, make_tables
from tests.servers import SMTPServer
from video2mp3.accounts import throttling

ROOT = Path(__file__).parents[2]

StartService = Callable[..., AbstractContextManager[Service]]


def with_many_registrations() -> None:
    """No guard is taken out: the users of all tests come from one address."""
    throttling.REGISTRATIONS = 10_000


@pytest.fixture(scope="session")
def whole_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with all its guards and its usual settings. Users are its `guest`s: they leave nothing behind."""
    smtp = SMTPServer()
    smtp.start()
    with embedded(tmp_path_factory.mktemp("whole"), smtp, change=with_many_registrations) as service:
        yield service
    smtp.close()


@contextmanager
def guest(service: Service, name: str | None = None) -> Iterator[httpx.Client]:
    """A client that is signed in as a new user, whose account is deleted at the end with all that belongs to it."""
    with service.user(name) as client:
        yield client
        client.request("DELETE", "/v1/me", json={"password": PASSWORD}).raise_for_status()


@pytest.fixture
def start_service(tmp_path: Path, smtp: SMTPServer) -> StartService:
    """Starts `video2mp3 serve` on a free port; `without=function` takes a guard out, other names are settings.

    `function` is a function of a test's module, without parameters, that replaces what it names (see `program`).
    """

    @contextmanager
    def start(without: Callable[[], None] | None = None, **settings: object) -> Iterator[Service]:
        env = base_env(tmp_path) | mail_env(smtp) | {"PYTHONPATH": str(ROOT)}
        env |= {f"VIDEO2MP3_{name.upper()}": str(value) for name, value in settings.items()}
        if "data_dir" not in settings:
            make_tables(env)
        service = Service(tmp_path, env, smtp)
        role = Role(tmp_path, "serve", arguments(["serve", "--port", "0"], without), env, "tests.abuse.program")
        service.roles["serve"] = role
        try:
            service.urls.append(role.wait_for_output(r"listens on (http://\S+)")[1])
            yield service
        finally:
            service.kill()

    return start
