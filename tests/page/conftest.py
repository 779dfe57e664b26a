"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.service import PASSWORD, Service, embedded
from tests.engine.converting import make
from tests.page.progress import be_followed, start_again
from tests.servers import SMTPServer, require_program, wait_until
from tests.servers.programs import missing
from video2mp3.api.frame import pages

# A busy machine takes longer than Playwright's five seconds, and than its thirty to load a page.
_PATIENCE_MS = 90_000
expect.set_options(timeout=_PATIENCE_MS)

# As root and without a network Chromium needs all of these.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A host of plain http, as in a local network: a context that is not secure.
    "--host-resolver-rules=MAP lan 127.0.0.1",
]


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """Says so where there is no page to look at."""
    if not (pages.FOLDER / "index.html").exists():
        missing("the built page (make page)")


@pytest.fixture(scope="package")
def one_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An embedded service for all files of tests, whose conversions can be held: each test has accounts of its own."""
    mail_server = SMTPServer()
    mail_server.start()
    env = {"VIDEO2MP3_DRAIN_GRACE_S": "2"}  # a held conversion does not end by itself
    with embedded(tmp_path_factory.mktemp("page"), mail_server, env, change=be_followed) as service:
        yield service
    mail_server.close()


@pytest.fixture(scope="module")
def service(one_service: Service) -> Service:
    """The same; it runs, whatever the file before has done to it."""
    if not one_service.is_whole():
        start_again(one_service)
    return one_service


LONG_S = 60


@pytest.fixture(scope="package")
def long_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LONG_S of sound in 2 MB: a megabyte is read at a time, so progress is told before and after its middle."""
    noise = ("-f", "lavfi", "-i", f"anoisesrc=color=pink:duration={LONG_S}:sample_rate=48000")
    return make(tmp_path_factory.mktemp("long") / "Long.m4a", *noise, "-c:a", "aac", "-b:a", "280k")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium: where it is there, the variant without windows, which takes half the CPU."""
    executable = require_program("chromium-headless-shell", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        browser.new_context = partial(  # type: ignore[method-assign]
            browser.new_context,
            # It answers in the place of the service, past the routes of tests; test_installed.py allows it.
            service_workers="block",
            # A bar that moves is drawn sixty times a second, though nobody looks.
            reduced_motion="reduce",
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fresh browser profile that takes every complaint of the browser as a failure."""
    context = browser.new_context(locale="en")
    context.set_default_timeout(_PATIENCE_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert complaints == []


def register(page: Page, service: Service, username: str) -> None:
    """Makes an account and opens the page with it; `make_account` does so as users do."""
    account = {"username": username, "password": PASSWORD}
    assert page.request.post(f"{service.url}/v1/accounts", data=account).ok
    sign_in(page, service, username)


def sign_in(page: Page, service: Service, username: str) -> None:
    """Opens the page with an account, without its form."""
    account = {"username": username, "password": PASSWORD}
    assert page.request.post(f"{service.url}/v1/sessions?cookie=true", data=account).ok
    page.goto(service.url)
    expect(page.get_by_role("heading", name="Drop a video, get an MP3")).to_be_visible()


def make_account(page: Page, username: str) -> None:
    """Fills in the form for a new account on the page as it is open."""
    page.get_by_role("link", name="Create account").click()
    # Before that the same fields are those of the sign-in, and the password is cleared when the page changes.
    expect(page.get_by_role("heading", name="Create account")).to_be_visible()
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("heading", name="Drop a video, get an MP3")).to_be_visible()


def wait_for_all_views(page: Page) -> None:
    """Waits until the page has loaded what it loads while the browser is idle; this view comes last."""
    loaded = "performance.getEntriesByType('resource').some(({ name }) => /Account-[^.]+[.]js$/.test(name))"
    wait_until(lambda: page.evaluate(loaded), 60, "the page to have loaded its other views")
