"""Copies the documents for `make docs-site`, without links to the source: `python -m tests.site.staging FOLDER`."""

import re
import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "docs" / "site.toml"
DECISIONS = '"Decisions" = []'
_LINK = re.compile(r"(?<!!)\[([^]]+)\]\((?!\w+:|#)([^)#\s]+)(?:#[^)\s]*)?\)")


def files() -> list[Path]:
    """Returns what the site consists of, by its place in the repository: documents and their pictures."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*")]
    return sorted(path.relative_to(ROOT) for path in found if path.suffix in {".md", ".png", ".svg"})


def without_outside_links(page: Path, text: str) -> str:
    """Returns a page's text, with the words alone of links to what is not part of the site."""
    known = set(files())

    def replace(match: re.Match[str]) -> str:
        target = (ROOT / page.parent / match[2]).resolve()
        return match[0] if target.is_relative_to(ROOT) and target.relative_to(ROOT) in known else match[1]

    return _LINK.sub(replace, text)


def configuration() -> str:
    """Returns docs/site.toml with the list of decisions."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    listed = ", ".join(f'"{page.relative_to(ROOT)}"' for page in pages)
    return CONFIGURATION.read_text().replace(DECISIONS, f'"Decisions" = [{listed}]')


def stage(folder: Path) -> None:
    """Writes the pages to `folder`/content, and the configuration beside them."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in files():
        to = folder / "content" / path
        to.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            to.write_text(without_outside_links(path, (ROOT / path).read_text()))
        else:
            shutil.copy(ROOT / path, to)
    (folder / "zensical.toml").write_text(configuration())


def pages_of(nav: object) -> list[str]:
    """Returns the pages that a navigation names, in their order."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else []
    return [page for entry in entries for page in pages_of(entry)]


def navigation() -> list[str]:
    """Returns the pages of the whole navigation."""
    return pages_of(tomllib.loads(configuration())["project"]["nav"])


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
