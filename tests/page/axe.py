"""What shuts people out of a page, as axe-core finds it."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page

from tests.servers.programs import missing

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


Scheme = Literal["light", "dark"]


def barriers(page: Page, *schemes: Scheme) -> list[str]:
    """What axe finds wrong with the page as it is now, by default in light and in dark: rule and place.

    All rules look at the first scheme, and those of colors at the other.
    """
    found: list[str] = []
    both: tuple[Scheme, Scheme] = ("light", "dark")
    for number, scheme in enumerate(schemes or both):
        page.emulate_media(color_scheme=scheme)
        # Scripts hear of another scheme in the next frame.
        page.evaluate("new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")
        if not page.evaluate("'axe' in window"):
            page.evaluate(_axe())
        violations: list[dict[str, Any]] = page.evaluate(_RUN, {"runOnly": _COLORS} if number else {})
        for violation in violations:
            places = "; ".join(f"{node['target']} {node['failureSummary']}" for node in violation["nodes"][:3])
            found.append(f"{scheme}, {violation['id']}: {places}")
    page.emulate_media(color_scheme=None)
    return found


# Not the rule that reads style sheets: axe copies those of shadow roots into the page, against its policy.
_RUN = """(rules) => axe.run({ preload: false, resultTypes: ["violations"], ...rules }).then(
  ({ violations }) => violations)"""
_COLORS = ["color-contrast", "link-in-text-block"]


@cache
def _axe() -> str:
    if not AXE.exists():
        missing("axe-core (make page)")
    return AXE.read_text()
