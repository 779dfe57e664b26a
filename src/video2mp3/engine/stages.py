"""The stages of a conversion, and its log line."""

import logging
import time
from collections.abc import Callable
from types import TracebackType

log = logging.getLogger(__name__)


class Stages:
    """Reports each stage; at the end of the with block, logs the outcome and the duration of each stage."""

    def __init__(self, on_stage: Callable[[str], None] | None) -> None:
        self._on_stage = on_stage
        self._began_s: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """Begins a stage and ends the previous one; does nothing if the stage has begun already."""
        if name not in self._began_s:
            self._began_s[name] = time.monotonic()
            if self._on_stage is not None:
                self._on_stage(name)

    def __enter__(self) -> "Stages":
        self.begin("open")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        ends_s = [*self._began_s.values(), time.monotonic()][1:]
        took = {
            f"{name}_s": round(end_s - began_s, 3)
            for (name, began_s), end_s in zip(self._began_s.items(), ends_s, strict=True)
        }
        log.info("engine_ended", extra={"outcome": "done" if error is None else _code_of(error), **took})


def _code_of(error: BaseException) -> str:
    return getattr(error, "code", type(error).__name__)
