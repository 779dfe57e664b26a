"""Changes to the service for tests that look at a running conversion."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.abuse.program import arguments
from tests.acceptance.service import ROOT, Role, Service
from video2mp3.accounts import throttling
from video2mp3.engine import source
from video2mp3.worker import leases

_HOLD = Path("hold")
"""In the service's folder, in which its processes run."""


def be_followed() -> None:
    """Progress is told five times a second, conversions wait where a test holds them, and each test has accounts."""
    leases.PROGRESS_S = 0.2
    throttling.REGISTRATIONS = 1000
    read = source.RangeServer._read

    def held_read(server: source.RangeServer, offset_bytes: int, size_bytes: int) -> bytes | None:
        middle = server._source.size_bytes // 2
        if _HOLD.exists():
            time.sleep(0.3)  # else the first half would be done before the first report
        while offset_bytes <= middle < offset_bytes + size_bytes and _HOLD.exists():
            time.sleep(0.05)
        return read(server, offset_bytes, size_bytes)

    source.RangeServer._read = held_read  # type: ignore[assignment, method-assign]


@contextmanager
def held(service: Service) -> Iterator[None]:
    """Within it conversions wait for the middle of their files: they take as long as the test looks, but no CPU."""
    (service.folder / _HOLD).touch()
    try:
        yield
    finally:
        (service.folder / _HOLD).unlink()


def start_again(service: Service) -> None:
    """Starts the same service, which has ended, at its former address."""
    command = arguments(["serve", "--port", service.url.rsplit(":", 1)[1]], be_followed)
    env = service.env | {"PYTHONPATH": str(ROOT)}
    service.roles["serve"] = Role(service.folder, "serve", command, env, "tests.abuse.program")
    service.roles["serve"].wait_for_output(r"listens on http://\S+")
