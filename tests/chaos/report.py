"""Prints the figures of a run and writes them into docs/reliability.md: ``python -m tests.chaos.report FILE``."""

import sys
from pathlib import Path

from tests.chaos.figures import Figure, read

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
_BEGIN, _END = "<!-- figures: make chaos -->\n", "<!-- end of figures -->\n"


def table(rows: list[Figure]) -> str:
    """The figures as Markdown."""
    lines = [f"| {row.point} | {row.what} | {row.figure} | {row.goal} |" for row in rows]
    return "\n".join(["| claim | what was done | figure | goal |", "|---|---|---|---|", *lines]) + "\n"


def write(text: str) -> None:
    """Puts a table in the place of the last one."""
    before, _, rest = DOCUMENT.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    DOCUMENT.write_text(before + _BEGIN + text + _END + after)


if __name__ == "__main__":
    figures = table(read(Path(sys.argv[1])))
    print(figures)
    write(figures)
