"""The stages of a job in a worker. Each is a span of the job's trace and an observation in the metrics."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from video2mp3.telemetry import tracing
from video2mp3.telemetry.metrics import STAGE_DURATION_S


@contextmanager
def stage(name: str, *, started_ns: int | None = None) -> Iterator[tracing.Span]:
    """Measures one stage: the with block, or the time since `started_ns` (nanoseconds since 1970)."""
    began_ns = started_ns or time.time_ns()
    try:
        with tracing.span(name, started_ns=began_ns) as span:
            yield span
    finally:
        STAGE_DURATION_S.labels(name).observe(max(0, time.time_ns() - began_ns) / 1e9)


class EngineStages:
    """The engine's stages within one conversion; use it in a with block."""

    def __init__(self) -> None:
        self._running = ExitStack()

    def begin(self, name: str) -> None:
        """Ends the previous stage and begins the next one: the callback for `engine.convert`."""
        self._running.close()
        self._running.enter_context(stage(name))

    def __enter__(self) -> "EngineStages":
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()
