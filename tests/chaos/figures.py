"""The figures of a run: printed, and kept for docs/reliability.md where TESTS_CHAOS names a file."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])

LONG = bool(os.environ.get("TESTS_CHAOS"))
"""True: all scenarios with their whole counts (`make chaos`)."""


def long(test: Test) -> Test:
    """Marks a test as one of `make chaos` only."""
    test.is_long = True  # type: ignore[attr-defined]
    return test


@dataclass(frozen=True)
class Figure:
    """One row of the table. `point` numbers the claims; `goal` is empty for what is only told."""

    point: int
    what: str
    figure: str
    goal: str = ""


def record(point: int, what: str, figure: object, goal: str = "") -> None:
    """Notes a figure."""
    row = Figure(point, what, f"{figure:.1f}" if isinstance(figure, float) else str(figure), goal)
    print(f"{row.point}. {row.what}: {row.figure}" + (f" (goal: {row.goal})" if row.goal else ""))
    if file := os.environ.get("TESTS_CHAOS"):
        with Path(file).open("a") as lines:
            lines.write(json.dumps(asdict(row)) + "\n")


def read(file: Path) -> list[Figure]:
    """Reads what a run has noted, in the order of the points."""
    rows = [Figure(**json.loads(line)) for line in file.read_text().splitlines()]
    return sorted(rows, key=lambda row: row.point)
