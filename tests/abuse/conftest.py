"""A service for each case: `video2mp3 serve` as a user starts it, whole or without one of its guards."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.abuse.program import arguments
from tests.acceptance.service import Role, Service, base_env, mail_env
from tests.databases import new_sqlite
from tests.servers import SMTPServer

ROOT = Path(__file__).parents[2]

StartService = Callable[..., AbstractContextManager[Service]]


@pytest.fixture
def start_service(tmp_path: Path, smtp: SMTPServer) -> StartService:
    """Starts `video2mp3 serve` on a free port; `without=function` takes a guard out, other names are settings.

    `function` is a function of a test's module, without parameters, that replaces what it names (see `program`).
    """

    @contextmanager
    def start(without: Callable[[], None] | None = None, **settings: object) -> Iterator[Service]:
        env = base_env(tmp_path) | mail_env(smtp) | {"PYTHONPATH": str(ROOT)}
        env |= {f"VIDEO2MP3_{name.upper()}": str(value) for name, value in settings.items()}
        if "data_dir" not in settings and not (database := tmp_path / "data" / "video2mp3.db").exists():
            new_sqlite(database)
        service = Service(tmp_path, env, smtp)
        role = Role(tmp_path, "serve", arguments(["serve", "--port", "0"], without), env, "tests.abuse.program")
        service.roles["serve"] = role
        try:
            service.urls.append(role.wait_for_output(r"listens on (http://\S+)")[1])
            yield service
        finally:
            service.stop()

    return start
