"""Figures of long runs, as tables in docs/reliability.md, each between two marks; the first names its target."""

from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "reliability.md"
_END = "<!-- end of figures -->\n"


def write(target: str, text: str) -> None:
    """Puts a table in the place of the target's last one; `target` is a call such as `make chaos`."""
    begin = f"<!-- figures: {target} -->\n"
    before, found, rest = DOCUMENT.read_text().partition(begin)
    assert found, f"{DOCUMENT} has no place for the figures of {target}"
    _, _, after = rest.partition(_END)
    DOCUMENT.write_text(before + begin + text + _END + after)
