"""Inspects generated heads: no exception, at most 5 ms of processor time and 1 MiB of memory each.

``python -m tests.engine.fuzz_heads --count 1000000``; a number says which head was the slowest, and `--first` begins
with it.
"""

import argparse
import random
import sys
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field

from tests.engine import heads
from video2mp3.engine.containers.streamability import HEAD_BYTES, StreamInfo, inspect_head

MAX_CPU_S = 0.005
MAX_MEMORY_BYTES = 1024**2
_SAMPLED = 200
"""The memory of every so manieth head is measured, which is slow; and of all that are 256 KiB."""
_FILLED_SHARE = 0.01
_LONG_SHARE = 0.8


@dataclass
class Figures:
    """What was seen of many heads."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    slowest: int = -1
    peak_bytes: int = 0
    most_memory: int = -1
    too_slow: int = 0
    measured_again: int = 0
    """Heads whose first measurement was above the bound, as happens on a busy machine: the least of three counts."""


def head_of(number: int) -> tuple[bytes, int]:
    """The head of that number, and the size of its file."""
    generator = random.Random(number)
    data = heads.head(generator)
    size_bytes = heads.more_bytes(generator)
    if (share := generator.random()) < _FILLED_SHARE:
        data = (data + generator.randbytes(1) * HEAD_BYTES)[:HEAD_BYTES]
    elif share < _LONG_SHARE:  # so long that a file that goes on is walked at all
        data += generator.choice((bytes(4096), heads.box(b"free", bytes(5000)), generator.randbytes(4096)))
    return data, size_bytes + len(data)


def cpu_s(data: bytes, size_bytes: int) -> float:
    """The processor time of one inspection. Raises whatever it raises."""
    started_s = time.thread_time()
    inspect_head(data, size_bytes)
    return time.thread_time() - started_s


def peak_bytes(data: bytes, size_bytes: int) -> int:
    """The memory that one inspection takes at most, the head itself included."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        inspect_head(data, size_bytes)
        return tracemalloc.get_traced_memory()[1] - before + len(data)
    finally:
        tracemalloc.stop()


def run(first: int, count: int) -> Figures:
    """Inspects so many heads. Raises whatever an inspection raises, with the head's number."""
    figures = Figures()
    for number in range(first, first + count):
        data, size_bytes = head_of(number)
        try:
            took_s = cpu_s(data, size_bytes)
            if took_s > MAX_CPU_S:
                figures.measured_again += 1
                took_s = min(cpu_s(data, size_bytes) for _ in range(3))
            answer = inspect_head(data, size_bytes)
            if number % _SAMPLED == 0 or len(data) >= HEAD_BYTES:
                peak = peak_bytes(data, size_bytes)
                if peak > figures.peak_bytes:
                    figures.peak_bytes, figures.most_memory = peak, number
        except Exception as error:
            error.add_note(f"head {number}: {data[:200].hex()} of {size_bytes} bytes")
            raise
        if took_s > figures.slowest_s:
            figures.slowest_s, figures.slowest = took_s, number
        figures.too_slow += took_s > MAX_CPU_S
        reason = answer.blocked_reason or "can begin" if isinstance(answer, StreamInfo) else "more bytes are needed"
        figures.outcomes[reason] += 1
        if (number + 1 - first) % 100_000 == 0:
            print(f"{number + 1 - first} …", file=sys.stderr, flush=True)
    return figures


def main() -> None:
    """Prints the figures; the exit status says whether all was within bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    figures = run(options.first, options.count)
    print(f"{options.count} heads, no exception")
    print(f"slowest: {figures.slowest_s * 1000:.2f} ms (head {figures.slowest}); above 5 ms: {figures.too_slow}")
    print(f"measured again: {figures.measured_again}")
    print(f"most memory: {figures.peak_bytes / 1024:.0f} KiB (head {figures.most_memory})")
    for outcome, number in figures.outcomes.most_common():
        print(f"{number:9d}  {outcome}")
    sys.exit(figures.too_slow > 0 or figures.peak_bytes > MAX_MEMORY_BYTES)


if __name__ == "__main__":
    main()
