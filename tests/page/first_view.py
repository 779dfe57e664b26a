"""What a browser without a cache loads until the page can be used, and how long that takes."""

from dataclasses import dataclass

from playwright.sync_api import BrowserContext

OBSERVED = """([type, part]) => new Promise((resolve) =>
  new PerformanceObserver((list) => list.getEntries().some(({ name }) => name.includes(part)) && resolve()).observe(
    { type, buffered: true }))"""
"""Waits for an entry of the browser's timeline."""
_FIRST = """() => {
  const [mark] = performance.getEntriesByName("interactive");
  const scripts = performance.getEntriesByType("resource").filter(
    ({ name, startTime }) => name.endsWith(".js") && startTime < mark.startTime);
  const sum = (key) => scripts.reduce((total, script) => total + script[key], 0);
  return [mark.startTime / 1000, scripts.length, sum("encodedBodySize"), sum("decodedBodySize")];
}"""


@dataclass(frozen=True)
class FirstView:
    """The page's first view, measured by the browser."""

    interactive_s: float
    """From the start of the navigation until the view can be used."""
    scripts: int
    compressed_bytes: int
    """Of all scripts until then, as they came over the line."""
    script_bytes: int


def first_view(context: BrowserContext, url: str) -> FirstView:
    """Opens the page in a new tab with an empty cache, and leaves the tab open as the last one."""
    page = context.new_page()
    context.new_cdp_session(page).send("Network.clearBrowserCache")
    page.goto(url)
    page.evaluate(OBSERVED, ["mark", "interactive"])
    return FirstView(*page.evaluate(_FIRST))
