"""Writes the tables of docs/formats.md and the page's list of extensions from the lists of the engine."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from video2mp3.engine.formats import CODECS, CONTAINERS, SUFFIXES
from video2mp3.engine.refused_formats import REFUSED

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "formats.md"
PAGE_LIST = ROOT / "web" / "src" / "queue" / "suffixes.json"


def sections() -> dict[str, str]:
    """Returns the tables that come from the lists, by the name of their place in the document."""
    return {
        "containers": _table(("container", "extensions"), [(item.name, _code(item.suffixes)) for item in CONTAINERS]),
        "codecs": _table(
            ("codec", "FFmpeg's decoders"), [(item.name, _code(sorted(item.decoders))) for item in CODECS]
        ),
        "refused": _table(("This is …", "what to do"), [(item.what, item.advice) for item in REFUSED]),
    }


def page_list() -> str:
    """Returns the page's list of extensions."""
    return json.dumps(sorted(SUFFIXES), indent=2) + "\n"


def write_pairs(
    version: str, converted: Mapping[str, Sequence[str]], refused: Mapping[str, Mapping[str, Sequence[str]]]
) -> None:
    """Writes the table of encoders and containers."""
    count = sum(map(len, converted.values()))
    lines = [f"Written by ffmpeg {version}: {count} pairs are converted.", ""]
    lines.append(_table(("container", "encoders"), [(f"`{name}`", _code(found)) for name, found in converted.items()]))
    rows = [
        (reason, "; ".join(f"`{container}`: {_code(found)}" for container, found in containers.items()))
        for reason, containers in refused.items()
    ]
    lines += ["", "These are refused, or differ:", "", _table(("reason", "pairs"), rows)]
    _replace("pairs", "\n".join(lines))


def write() -> None:
    """Writes all that comes from the lists."""
    for name, text in sections().items():
        _replace(name, text)
    PAGE_LIST.write_text(page_list())


def _replace(name: str, text: str) -> None:
    document = DOCUMENT.read_text()
    place = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    DOCUMENT.write_text(place.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", document))


def _table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"| {left} | {right} |" for left, right in (head, ("---", "---"), *rows))


def _code(names: Sequence[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    write()
