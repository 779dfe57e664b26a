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
        page.evaluate(_LISTEN, scheme)
        page.emulate_media(color_scheme=scheme)
        page.evaluate(_CHANGED)
        if not page.evaluate("'axe' in window"):
            page.evaluate(_axe())
        violations: list[dict[str, Any]] = page.evaluate(_RUN, {"runOnly": _COLORS} if number else {})
        for violation in violations:
            places = "; ".join(f"{node['target']} {node['failureSummary']}" for node in violation["nodes"][:3])
            found.append(f"{scheme}, {violation['id']}: {places}")
    page.emulate_media(color_scheme=None)
    return found


# The page's own scripts listen for longer, so they hear of another scheme first.
_LISTEN = """(scheme) => {
  const query = matchMedia(`(prefers-color-scheme: ${scheme})`);
  window.heard = query.matches || new Promise((resolve) => query.addEventListener("change", resolve));
}"""
_CHANGED = """async () => {
  await window.heard;
  const transitions = document.getAnimations().filter((each) => each instanceof CSSTransition);
  await Promise.allSettled(transitions.map(({ finished }) => finished));
}"""
# Not the rule that reads style sheets: axe copies those of shadow roots into the page, against its policy.
_RUN = """(rules) => axe.run({ preload: false, resultTypes: ["violations"], ...rules }).then(
  ({ violations }) => violations)"""
_COLORS = ["color-contrast", "link-in-text-block"]


@cache
def _axe() -> str:
    if not AXE.exists():
        missing("axe-core (make page)")
    return AXE.read_text()
