"""A service of its own process, and a line to it that can be cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.service import Role, base_env
from tests.chaos.proxy import Proxy, ProxyNetwork
from tests.servers import free_port


@dataclass
class Served:
    """`video2mp3 serve` on a fixed port."""

    folder: Path
    port: int
    env: dict[str, str]
    role: Role

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def restart_killed(self) -> None:
        """Kills it and starts it again."""
        self.role.kill()
        self.role = start(self.folder, self.port, self.env)


def start(folder: Path, port: int, env: dict[str, str]) -> Role:
    role = Role(folder, "serve", ["serve", "--port", str(port)], env)
    role.wait_for_output("listens on")
    return role


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    # Sign-ins of two seconds: whoever signs in has to renew that.
    env = base_env(folder) | {"VIDEO2MP3_ACCESS_TOKEN_LIFETIME_S": "2", "HOME": str(folder)}
    service = Served(folder, port, env, start(folder, port, env))
    yield service
    service.role.stop()


@pytest.fixture
def line(served: Served) -> Iterator[Proxy]:
    """What stands between the client and the service."""
    network = ProxyNetwork()
    proxy = network.proxy(served.port)
    yield proxy
    network.close()
