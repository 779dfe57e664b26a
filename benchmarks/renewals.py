"""What it costs to replace the zygote: the CPU time of a start, and its share of a job.

`python -m benchmarks.renewals` prints both, and what a fork takes beside them.
"""

import statistics
import time
from pathlib import Path

from video2mp3.engine.parent import zygote_client
from video2mp3.engine.parent.zygote_client import Zygote

ROUNDS = 20
FORKS = 100


def cpu_ms(pid: int | str) -> float:
    """The time that all threads of a process have been on a processor (its first field: Documentation/scheduler)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def start_ms() -> tuple[float, float]:
    """Returns the CPU time and the time that one start takes."""
    zygote = Zygote()
    started_s = time.perf_counter()
    zygote.start()
    assert zygote.pid is not None
    assert zygote._control is not None
    while not zygote_client._is_ready(zygote._control):
        time.sleep(0.002)
    found = cpu_ms(zygote.pid), (time.perf_counter() - started_s) * 1000
    zygote.close()
    return found


def fork_ms(zygote: Zygote) -> tuple[float, float]:
    """Returns the CPU time of a fork in the zygote, and the time that the parent waits for it."""
    assert zygote.pid is not None
    before, started_s = cpu_ms(zygote.pid), time.perf_counter()
    forked = zygote.fork([])
    waited_ms = (time.perf_counter() - started_s) * 1000
    forked.kill()
    forked.close()
    return cpu_ms(zygote.pid) - before, waited_ms


def main() -> None:
    starts = [start_ms() for _ in range(ROUNDS)]
    zygote = Zygote()
    zygote.fork([]).close()
    zygote_client.RENEW_AFTER, renew_after = 10**9, zygote_client.RENEW_AFTER
    forks = [fork_ms(zygote) for _ in range(FORKS)]
    zygote.close()
    cpu, wall = (statistics.median(values) for values in zip(*starts, strict=True))
    fork_cpu, fork_wall = (statistics.median(values) for values in zip(*forks, strict=True))
    print(f"a renewal: {cpu:.0f} ms of CPU, ready after {wall:.0f} ms; median of {ROUNDS}")
    print(f"a fork: {fork_cpu:.1f} ms of CPU, {fork_wall:.1f} ms; median of {FORKS}")
    print(f"with a renewal after {renew_after} jobs: {cpu / renew_after:.1f} ms of CPU more a job")


if __name__ == "__main__":
    main()
