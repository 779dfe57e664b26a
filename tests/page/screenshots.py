"""Takes docs/screenshots (`make screenshots`): the page of somebody who has dropped three videos."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.service import PASSWORD, Service, add_administrator, embedded
from tests.media import make_video
from tests.page.conftest import FLAGS
from tests.page.picture_sources import RECORD, SHOTS, digest
from tests.page.test_convert import WAIT_MS, drop, row, slow_line
from tests.servers import SMTPServer, require_program

SIZES = {"desktop": {"width": 1000, "height": 860}, "phone": {"width": 390, "height": 780}}


def open_page(browser: Browser, service: Service, size: str, scheme: str) -> Page:
    """A page of an administrator."""
    page = browser.new_context(locale="en", viewport=SIZES[size], color_scheme=scheme).new_page()  # type: ignore[arg-type]
    page.goto(service.url)
    page.locator("#username").fill("ada")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("#files")).to_be_attached()
    return page


def take(page: Page, name: str) -> None:
    page.evaluate("document.fonts.ready")
    page.screenshot(path=SHOTS / f"{name}.png", animations="disabled")


def shoot(browser: Browser, service: Service, folder: Path) -> None:
    page = open_page(browser, service, "desktop", "light")
    names = ("Lecture 1.mp4", "Interview.mkv", "Concert.webm")
    audio = {"Concert.webm": ("-c:v", "libvpx", "-c:a", "libopus")}
    videos = [make_video(folder / name, 90, audio=audio.get(name, ("-c:a", "aac"))) for name in names]
    drop(page, videos[0])
    expect(row(page).first).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    with slow_line(page, 150_000):
        drop(page, *videos[1:])
        expect(row(page).nth(2)).to_contain_text("left", timeout=WAIT_MS)
        take(page, "convert")
    for number in range(3):
        expect(row(page).nth(number)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    for name in ("history", "account", "admin"):
        page.goto(f"{service.url}/#/{name}")
        expect(page.locator("main h1")).to_be_visible()
        page.wait_for_timeout(1000)
        take(page, name)
    phone = open_page(browser, service, "phone", "dark")
    drop(phone, videos[0])
    expect(row(phone).first).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    take(phone, "phone")


def main() -> None:
    """Starts a service of its own, and takes them all."""
    SHOTS.mkdir(exist_ok=True)
    mail_server = SMTPServer()
    mail_server.start()
    with tempfile.TemporaryDirectory() as name, embedded(Path(name), mail_server) as service, sync_playwright() as tool:
        add_administrator(service, "ada")
        browser = tool.chromium.launch(executable_path=require_program("chromium"), args=FLAGS)
        shoot(browser, service, Path(name))
        browser.close()
    mail_server.close()
    RECORD.write_text(digest() + "\n")


if __name__ == "__main__":
    main()
