"""Several tabs of one browser: one event stream for all, one queue in all, and none of them hangs."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Error, Page, expect

from tests.acceptance.service import PASSWORD, Service
from tests.media import make_video
from tests.page.conftest import LONG_S, make_account, register
from tests.page.progress import held
from tests.page.test_convert import WAIT_MS, drop, held_files, limit_line, open_menu, row, slow_line
from tests.servers import wait_until

TABS = 7
# A browser opens six connections to one host. A request that gets none of them waits as long as they are open.
ANSWER_MS = 10_000

RECORD = """() => {
  window.seen = new Set();
  const look = () => document.querySelectorAll("li .state").forEach((state) => seen.add(state.innerText.trim()));
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""
"""The tab remembers all states that its rows show."""

HOLD_READS = "() => { Blob.prototype.arrayBuffer = () => new Promise(() => {}); }"
"""Files are never read, so their sound is being extracted for ever."""

READ = re.compile(r"/v1/conversions/(?!events)[^/?]+$")
"""The page reads one conversion."""

ASK = """async (timeoutMs) => {
  const answer = await fetch("v1/me", { signal: AbortSignal.timeout(timeoutMs) });
  return answer.status;
}"""


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh browser profile."""
    context = browser.new_context(locale="en")
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "lan"])
def test_seven_tabs_show_one_queue_and_answer(
    service: Service, context: BrowserContext, long_file: Path, host: str
) -> None:
    """It should be so on plain http, too, where there are no Web Locks; and go on when the sending tab crashes."""
    url = f"http://{host}:{urlsplit(service.url).port}"
    with service.user(f"tabs-{host}") as user:
        first = context.new_page()
        first.goto(url)
        assert first.evaluate("isSecureContext") is (host == "127.0.0.1")
        sign_in(first, f"tabs-{host}")
        others = _six_more(context, first, url, long_file)
        with held(service):
            with pytest.raises(Error):
                first.goto("chrome://crash")
            for tab in others:
                expect(row(tab).filter(has_text=re.compile(r"Converting [1-9]\d?%"))).not_to_have_count(0)
        for tab in others:
            expect(row(tab).and_(tab.locator("[data-phase=finished]"))).to_have_count(2, timeout=2 * WAIT_MS)
            seen = tab.evaluate("[...seen]")
            assert any(re.fullmatch(r"Converting [1-9]\d?%", state) for state in seen), seen
            assert tab.evaluate(ASK, ANSWER_MS) == 200
        jobs = user.get("/v1/conversions").json()["items"]
    assert [(job["state"], int(job["result"]["duration_s"])) for job in jobs] == [("finished", LONG_S)] * 2


def sign_in(page: Page, username: str) -> None:
    page.get_by_label("Username", exact=True).fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Drop a video, get an MP3")).to_be_visible()


def _six_more(context: BrowserContext, first: Page, url: str, long_file: Path) -> list[Page]:
    """Opens tabs while the first one sends two files; each shows that, and gets an answer of its own."""
    copy = long_file.with_name("Second.m4a")
    copy.write_bytes(long_file.read_bytes())
    limit_line(first, 20_000)
    drop(first, long_file, copy)
    expect(row(first)).to_have_text([re.compile(r"Uploading [1-9]\d?%")] * 2, timeout=WAIT_MS)
    others = []
    for number in range(2, TABS + 1):
        tab = context.new_page()
        tab.goto(url, timeout=ANSWER_MS)
        tab.evaluate(RECORD)
        elsewhere = re.compile(r"Uploading [1-9]\d?%.*another tab", re.DOTALL)
        expect(row(tab), f"tab {number}").to_have_text([elsewhere] * 2, timeout=ANSWER_MS)
        assert tab.evaluate(ASK, ANSWER_MS) == 200, f"tab {number}"
        others.append(tab)
    return others


HOLD_NO_FILES = "IDBObjectStore.prototype.put = () => { throw new DOMException('full'); }"
"""The browser stores no file, as it does not store large ones."""


def test_a_tab_that_a_dialog_blocks_keeps_its_uploads(
    service: Service, context: BrowserContext, long_file: Path, tmp_path: Path
) -> None:
    """It should go on with them, and with later ones, although another tab took it for closed on plain http."""
    url = f"http://lan:{urlsplit(service.url).port}"
    context.add_init_script(HOLD_NO_FILES)
    first, second = context.new_page(), context.new_page()
    with service.user("tabs-blocked"):
        first.goto(url)
        sign_in(first, "tabs-blocked")
        second.goto(url)
        first.bring_to_front()
        limit = limit_line(first, 20_000)
        drop(first, long_file)
        expect(row(second)).to_contain_text("another tab")
        expect(row(first)).to_have_text(re.compile(r"Uploading [1-9]\d?%"), timeout=WAIT_MS)
        with first.expect_event("dialog") as asked:
            first.on("dialog", lambda dialog: None)  # it stays open
            first.close(run_before_unload=True)
        expect(row(second)).to_have_attribute("data-phase", "lost")
        asked.value.dismiss()
        elsewhere = re.compile(r"Uploading [1-9]\d?%.*another tab", re.DOTALL)
        expect(row(first)).to_have_attribute("data-phase", "uploading")
        expect(row(second)).to_have_text(elsewhere)
        drop(first, make_video(tmp_path / "Later.mp4", 2))
        expect(row(second).nth(1)).to_contain_text("another tab")
        second.evaluate(RECORD)
        limit(-1)
        for tab in (first, second):
            expect(row(tab).and_(tab.locator("[data-phase=finished]"))).to_have_count(2, timeout=2 * WAIT_MS)
        assert not any("Interrupted" in state for state in second.evaluate("[...seen]"))


def test_a_sign_out_ends_in_all_tabs(
    service: Service, context: BrowserContext, long_file: Path, tmp_path: Path
) -> None:
    """It should stop an upload of another tab, and show the next account's queue in all tabs."""
    first = context.new_page()
    register(first, service, "tabs-out")
    second = context.new_page()
    second.goto(service.url)
    with slow_line(second, 20_000):
        drop(second, long_file)
        expect(row(first)).to_contain_text("another tab")
        first.get_by_role("link", name="Account").click()
        first.get_by_role("button", name="Sign out").click()
        for tab in (first, second):
            expect(tab.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    first.goto(service.url)
    make_account(first, "tabs-in")
    expect(second.get_by_role("heading", name="Drop a video, get an MP3")).to_be_visible()
    expect(row(second)).to_have_count(0)
    drop(second, make_video(tmp_path / "Talk.mp4", 2))
    for tab in (first, second):
        expect(row(tab)).to_have_attribute("data-phase", "finished", timeout=2 * WAIT_MS)
    open_menu(first)
    first.get_by_role("button", name="Remove from the list").click()
    for tab in (first, second):
        expect(row(tab)).to_have_count(0)


def test_a_reload_keeps_a_row_whose_sound_is_being_extracted(
    service: Service, context: BrowserContext, tmp_path: Path
) -> None:
    """It should ask before the file is lost, and go on with the stored file."""
    page = context.new_page()
    register(page, service, "tabs-reload")
    page.evaluate(HOLD_READS)
    drop(page, make_video(tmp_path / "Talk.mp4", 20))
    expect(row(page)).to_contain_text("Extracting the audio")
    wait_until(lambda: held_files(page) == 1, 20, "the browser to hold the file")
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.reload()
    assert asked == ["beforeunload"]
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=2 * WAIT_MS)


def test_a_conversion_that_could_not_be_read_stays_in_the_queue(
    service: Service, context: BrowserContext, tmp_path: Path
) -> None:
    """It should be read again by a retry and by a reload, and be there in other tabs all the time."""
    page = context.new_page()
    register(page, service, "tabs-unread")
    other = context.new_page()
    other.goto(service.url)
    drop(page, make_video(tmp_path / "Talk.mp4", 2))
    for tab in (page, other):
        expect(row(tab)).to_have_attribute("data-phase", "finished", timeout=2 * WAIT_MS)
    for again in ("Try again", "reload"):
        page.route(READ, lambda route: route.fulfill(status=503, json={"code": "overloaded"}))
        page.reload()
        expect(row(page)).to_have_attribute("data-phase", "refused")
        page.unroute(READ)
        if again == "reload":
            page.reload()
        else:
            page.get_by_role("button", name=again).click()
        for tab in (page, other):
            expect(row(tab)).to_have_attribute("data-phase", "finished")
    other.reload()
    expect(row(other)).to_have_attribute("data-phase", "finished")


def test_a_file_that_is_dropped_offline_is_sent_when_the_connection_is_back(
    service: Service, context: BrowserContext, tmp_path: Path
) -> None:
    page = context.new_page()
    register(page, service, "tabs-offline")
    page.wait_for_function("() => performance.getEntriesByType('resource').some(({ name }) => /sender/.test(name))")
    page.wait_for_load_state("networkidle")
    context.set_offline(True)
    drop(page, make_video(tmp_path / "Talk.mp4", 2))
    expect(row(page)).to_have_attribute("data-phase", "next")
    context.set_offline(False)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=2 * WAIT_MS)
