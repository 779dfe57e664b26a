"""Conversions, probes and measurements that are stopped in their midst: they occupy their places without any CPU."""

import os
import signal
from contextlib import suppress

from tests.acceptance.service import Service
from tests.chaos.processes import engines, is_stopped
from tests.servers import wait_until


def stop_engines(service: Service, count: int) -> list[int]:
    """Stops (SIGSTOP) each engine that `serve` runs, until so many are stopped; returns their process ids."""

    def stopped() -> list[int]:
        running = engines(service.roles["serve"].process.pid)
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        found = [pid for pid in running if is_stopped(pid)]
        return found if len(found) == count else []

    return wait_until(stopped, 60, f"{count} engines to be stopped")


def go_on(pid: int) -> None:
    """Lets a stopped engine go on."""
    os.kill(pid, signal.SIGCONT)
