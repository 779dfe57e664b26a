"""Prints the figures of a run and writes them into docs/reliability.md: ``python -m tests.chaos.report FILE``."""

import sys
from pathlib import Path

from tests.chaos.figures import Figure, read
from tests.report import write


def table(rows: list[Figure]) -> str:
    """The figures as Markdown."""
    lines = [f"| {row.point} | {row.what} | {row.figure} | {row.goal} |" for row in rows]
    return "\n".join(["| scenario | what was done | figure | goal |", "|---|---|---|---|", *lines]) + "\n"


if __name__ == "__main__":
    figures = table(read(Path(sys.argv[1])))
    print(figures)
    write("make chaos", figures)
