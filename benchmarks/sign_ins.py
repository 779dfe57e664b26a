"""How long a failed sign-in takes for a name that there is, and for one that there is not.

`python -m benchmarks.sign_ins` starts a service of its own and asks in turns, so that whatever else the machine does
meets both alike; it prints the medians, and ends with status 1 where they differ by 5 % or more.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
from tests.api.conftest import PASSWORD, serving

from video2mp3.api.frame.services import Services
from video2mp3.database import migrate
from video2mp3.database.connection import Database
from video2mp3.outbound import Guard
from video2mp3.queue.memory import MemoryQueue
from video2mp3.settings import load_settings
from video2mp3.storage.disk import DiskStorage
from video2mp3.wiring import configure_logging

ROUNDS = 400
LIMIT = 0.05


def measure(client: httpx.Client, rounds: int) -> tuple[float, float]:
    """Returns the median time of the known and of the unknown name, in seconds."""
    times: dict[str, list[float]] = {"known": [], "nobody": []}
    for number in range(rounds):
        # Whoever comes first in a round is the other one in the next.
        for name in ("known", "nobody") if number % 2 else ("nobody", "known"):
            started_s = time.perf_counter()
            answer = client.post("/v1/sessions", json={"username": name, "password": f"wrong {number}"})
            times[name].append(time.perf_counter() - started_s)
            assert answer.status_code == 401, answer.text
    return statistics.median(times["known"]), statistics.median(times["nobody"])


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        settings = load_settings(
            data_dir=Path(folder), max_login_failures=0, anonymous_per_minute=0, log_level="warning"
        )
        configure_logging(settings)
        database = stack.enter_context(contextlib.closing(Database(settings.effective_database_url)))
        migrate.upgrade(database)
        queue = stack.enter_context(contextlib.closing(MemoryQueue()))
        storage = stack.enter_context(contextlib.closing(DiskStorage(Path(folder) / "storage")))
        services = Services(settings, database, queue, storage, lambda: None, Guard(), trust_loopback=False)
        client = stack.enter_context(httpx.Client(base_url=stack.enter_context(serving(services)), timeout=30))
        client.post("/v1/accounts", json={"username": "known", "password": PASSWORD}).raise_for_status()
        measure(client, 10)
        known_s, unknown_s = measure(client, ROUNDS)
    difference = abs(known_s - unknown_s) / max(known_s, unknown_s)
    print(f"known {known_s * 1000:.2f} ms, unknown {unknown_s * 1000:.2f} ms: {difference:.1%} apart")
    return 0 if difference < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
