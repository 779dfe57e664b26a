"""One service for each place where docs/proxies.md puts it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.service import Service, embedded
from tests.proxies.lines import BELOW_A_PATH, Layout, proxy
from tests.servers import SMTPServer, free_port
from tests.servers.proxies import ProxyServer

MAX_UPLOAD_BYTES = 5_000_000


class Places:
    """The services and the proxies before them; each starts when it is first asked for."""

    def __init__(self, folder: Path, smtp: SMTPServer, stack: ExitStack) -> None:
        self.folder = folder
        self._smtp = smtp
        self._stack = stack
        self._services: dict[Layout, Service] = {}
        self._proxies: dict[tuple[str, Layout], ProxyServer] = {}

    def service(self, layout: Layout = BELOW_A_PATH) -> Service:
        """The service with the document's settings for that place."""
        if layout not in self._services:
            folder = self.folder / layout.host
            folder.mkdir()
            settings = {
                "PUBLIC_URL": layout.public_url,
                "TRUSTED_PROXIES": "127.0.0.1/32",
                "REGISTRATION": "open",
                "MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
                "METRICS_PORT": str(free_port()),
            }
            env = {f"VIDEO2MP3_{name}": value for name, value in settings.items()}
            self._services[layout] = self._stack.enter_context(embedded(folder, self._smtp, env))
        return self._services[layout]

    def proxy(self, program: str, layout: Layout = BELOW_A_PATH) -> ProxyServer:
        """The program with the document's lines for that place, before its service."""
        if (program, layout) not in self._proxies:
            port = int(self.service(layout).url.rpartition(":")[2])
            started = proxy(program, self._folder_of_proxies(), port, layout)
            self._proxies[program, layout] = self._stack.enter_context(started)
        return self._proxies[program, layout]

    def _folder_of_proxies(self) -> Path:
        folder = self.folder / "proxies"
        folder.mkdir(exist_ok=True)
        return folder


@pytest.fixture(scope="package")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Places]:
    """What the tests of this folder share."""
    smtp = SMTPServer()
    smtp.start()
    with ExitStack() as stack:
        stack.callback(smtp.close)
        yield Places(tmp_path_factory.mktemp("proxies"), smtp, stack)
