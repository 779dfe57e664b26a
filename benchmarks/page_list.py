"""How smoothly the page scrolls a long list of files, and how much memory it needs.

`python -m benchmarks.page_list` converts 200 clips of a second with a service of its own, restores them as rows of
one page, scrolls from end to end, and ends with status 1 where the list misses its promise. A headless Chromium draws
without a graphics card, and at most 60 frames a second. Other programs may keep the processor busy, so a list whose
frames need half of their time at most passes, too.
"""

import argparse
import os
import re
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.acceptance.service import PASSWORD, Service, embedded, wait_for_end
from tests.media import make_video
from tests.page.conftest import FLAGS
from tests.page.rows import restore_rows
from tests.servers import SMTPServer, require_program

MIN_FPS = 50
MAX_FRAME_CPU_MS = 1000 / MIN_FPS / 2
MAX_MEMORY_BYTES = 150e6
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

SCROLL = """async (seconds) => {
  const root = document.scrollingElement;
  const times = [];
  const began = performance.now();
  for (let now = began; now - began < 1000 * seconds;) {
    now = await new Promise(requestAnimationFrame);
    times.push(now);
    // Down in the first half, and up again in the second.
    const way = (now - began) / (500 * seconds);
    root.scrollTop = (root.scrollHeight - root.clientHeight) * Math.min(way, 2 - way);
  }
  return times.slice(1).map((time, index) => time - times[index]);
}"""
"""Returns the milliseconds between the frames."""


def convert_all(service: Service, clip: Path, count: int) -> list[dict[str, object]]:
    """Converts so many copies of the clip as a new user; every tenth is no video. Returns the conversions."""
    with service.user("ada") as user:
        made = []
        for number in range(count):
            content = b"no video at all" if number % 10 == 9 else clip.read_bytes()
            files = {"file": (f"Talk {number + 1}.mp4", content)}
            made.append(user.post("/v1/conversions", files=files).raise_for_status().json()["id"])
        return [wait_for_end(user, conversion_id, 600) for conversion_id in made]


def open_list(browser: Browser, service: Service, conversions: list[dict[str, object]]) -> Page:
    """The page of their user, with a row for each."""
    page = browser.new_context(locale="en", viewport={"width": 1440, "height": 900}).new_page()
    page.goto(service.url)
    page.get_by_label("Username", exact=True).fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("get an MP3"))).to_be_visible()
    restore_rows(page, conversions)
    return page


def processes(browser: Browser) -> list[dict[str, Any]]:
    """The browser's processes: `type` and `id`."""
    found: list[dict[str, Any]] = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return found


def cpu_ms(browser: Browser) -> float:
    """Returns how long all processes of the browser have computed."""
    stats = [Path(f"/proc/{each['id']}/stat").read_text().rsplit(")", 1)[1].split() for each in processes(browser)]
    return sum(1000 * (int(stat[11]) + int(stat[12])) / _TICKS_PER_S for stat in stats)


def memory_bytes(browser: Browser, page: Page) -> tuple[float, float]:
    """Returns what the page's scripts have allocated, and what its process has of its own."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    renderers = [each["id"] for each in processes(browser) if each["type"] == "renderer"]
    statuses = [Path(f"/proc/{renderer}/status").read_text() for renderer in renderers]
    own = [int(match[1]) * 1024 for status in statuses if (match := re.search(r"RssAnon:\s+(\d+)", status))]
    return metrics["JSHeapUsedSize"], max(own)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    mail_server = SMTPServer()
    mail_server.start()
    with tempfile.TemporaryDirectory() as name, embedded(Path(name), mail_server) as service, sync_playwright() as tool:
        conversions = convert_all(service, make_video(Path(name) / "clip.mp4", 1), arguments.rows)
        browser = tool.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        page = open_list(browser, service, conversions)
        before_ms = cpu_ms(browser)
        frames_ms: list[float] = page.evaluate(SCROLL, arguments.seconds)
        frame_cpu_ms = (cpu_ms(browser) - before_ms) / len(frames_ms)
        heap, own = memory_bytes(browser, page)
        browser.close()
    mail_server.close()
    fps = 1000 * len(frames_ms) / sum(frames_ms)
    late_ms = statistics.quantiles(frames_ms, n=20)[-1]
    print(
        f"{arguments.rows} rows: {fps:.1f} frames a second, 95 % within {late_ms:.0f} ms, {frame_cpu_ms:.1f} ms of "
        f"processor each; scripts have {heap / 1e6:.1f} MB, the page's process {own / 1e6:.1f} MB"
    )
    is_smooth = fps >= MIN_FPS or frame_cpu_ms <= MAX_FRAME_CPU_MS
    return 0 if is_smooth and own <= MAX_MEMORY_BYTES else 1


if __name__ == "__main__":
    raise SystemExit(main())
