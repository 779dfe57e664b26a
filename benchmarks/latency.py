"""What a short clip costs beyond its decoding and encoding: the process, the sandbox, the check of the result."""

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.decoding import decoded
from video2mp3.engine import FileSource, convert
from video2mp3.engine.child.audio.encode import Encoder, settings_for
from video2mp3.engine.child.audio.pcm import PcmConverter, mp3_rate_for
from video2mp3.engine.parent.zygote_client import ZYGOTE

_POLL_INTERVAL_S = 0.0005

_FIRST = """
import sys, tempfile, time
from video2mp3.engine import FileSource, convert
with FileSource(sys.argv[1]) as source, tempfile.TemporaryFile() as sink:
    started_s = time.perf_counter()
    convert(source, sink)
    print(time.perf_counter() - started_s)
"""


def latency(path: Path, rounds: int) -> dict[str, list[float]]:
    """Returns what each round took, in seconds: `convert()` and bare decoding and encoding in turns."""
    _convert(path)  # starts the zygote
    _decode_and_encode(path)
    found: dict[str, list[float]] = {
        name: [] for name in ("bare_wall_s", "bare_cpu_s", "convert_wall_s", "convert_cpu_s", "first_wall_s")
    }
    for number in range(rounds):
        bare_wall_s, bare_cpu_s = _timed(lambda: _decode_and_encode(path))
        found["bare_wall_s"].append(bare_wall_s)
        found["bare_cpu_s"].append(bare_cpu_s)
        found["convert_wall_s"].append(_timed(lambda: _convert(path))[0])
        found["convert_cpu_s"].append(_cpu_s_of_conversion(path))
        if number % 3 == 0:
            found["first_wall_s"].append(_first_wall_s(path))
    return found


def lines(found: dict[str, list[float]]) -> list[str]:
    """Returns sentences with medians and the middle half of all rounds."""
    beyond_ms = [1000 * (ours - bare) for ours, bare in _pairs(found, "wall")]
    ratios = [ours / bare for ours, bare in _pairs(found, "cpu")]
    first_ms = [1000 * (first - statistics.median(found["bare_wall_s"])) for first in found["first_wall_s"]]
    bare_ms = [1000 * seconds for seconds in found["bare_wall_s"]]
    return [
        f"Decoding and encoding alone, in one process: {_spread(bare_ms, '.0f')} ms.",
        f"`convert()` takes {_spread(beyond_ms, '.0f')} ms more than that.",
        f"Its CPU time, in all processes, is {_spread(ratios, '.2f')} times that.",
        f"The first conversion of a process takes {_spread(first_ms, '.0f')} ms more: it starts the zygote.",
    ]


def _pairs(found: dict[str, list[float]], kind: str) -> list[tuple[float, float]]:
    return list(zip(found[f"convert_{kind}_s"], found[f"bare_{kind}_s"], strict=True))


def _spread(values: list[float], form: str) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def _convert(path: Path) -> None:
    with FileSource(path) as source, tempfile.TemporaryFile() as sink:
        convert(source, sink)


def _decode_and_encode(path: Path) -> None:
    with decoded(path) as frames, tempfile.TemporaryFile() as sink:
        first, samples, _ = next(frames)
        settings = settings_for(mp3_rate_for(first.sample_rate), min(first.layout.nb_channels, 2), None, None)
        converter, encoder = PcmConverter(settings.sample_rate_hz, settings.channels), Encoder(settings)
        blocks = [*converter.convert(first, samples)]
        for frame, samples, _ in frames:
            blocks += converter.convert(frame, samples)
        for block in [*blocks, *converter.finish()]:
            sink.write(encoder.encode(block))
        sink.write(encoder.finish())


def _first_wall_s(path: Path) -> float:
    printed = subprocess.run([sys.executable, "-c", _FIRST, str(path)], capture_output=True, check=True).stdout
    return float(json.loads(printed))


# -- CPU time of processes that nobody waits for ---------------------------------------------------------


def _cpu_s_of_conversion(path: Path) -> float:
    """Returns the CPU time of this thread, of the zygote and of the process that converts, together."""
    assert ZYGOTE.pid is not None
    watch = _CpuWatch(ZYGOTE.pid)
    zygote_s, thread_s = process_cpu_s(ZYGOTE.pid), time.thread_time()
    with watch:
        _convert(path)
        thread_s = time.thread_time() - thread_s
    return thread_s + process_cpu_s(ZYGOTE.pid) - zygote_s + watch.cpu_s


class _CpuWatch(threading.Thread):
    """Reads the CPU clock of the zygote's next child, again and again until it is gone."""

    def __init__(self, zygote_pid: int) -> None:
        super().__init__(daemon=True)
        self.cpu_s = 0.0
        self._children = Path(f"/proc/{zygote_pid}/task/{zygote_pid}/children")

    def run(self) -> None:
        while not (pids := self._children.read_text().split()):
            time.sleep(_POLL_INTERVAL_S)
        try:
            while True:
                self.cpu_s = process_cpu_s(int(pids[0]))
                time.sleep(_POLL_INTERVAL_S)
        except OSError:
            return

    def __enter__(self) -> "_CpuWatch":
        self.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.join()


def process_cpu_s(pid: int) -> float:
    """Returns the CPU time of all threads of a process. Source: CPUCLOCK_SCHED in the kernel's posix-timers.h."""
    return time.clock_gettime(~pid << 3 | 2)
