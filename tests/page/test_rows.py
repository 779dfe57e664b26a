"""The list of files: many of them to scan, sort and filter, and nothing good of them is lost."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.acceptance.service import Service
from tests.media import corpus_file
from tests.page.axe import barriers
from tests.page.conftest import register
from tests.page.progress import held, start_again
from tests.page.rows import restore_rows
from tests.page.test_convert import WAIT_MS, drop, open_menu, row

MAX_ROW_ELEMENTS = 45
MAX_HEAP_BYTES = 40e6

PRIMARY = "main :is(a, button).button:not(.plain, .bare):visible"


def metrics(page: Page) -> dict[str, float]:
    """Chromium's counters of the page."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}


@pytest.fixture
def mixed(request: pytest.FixtureRequest, service: Service, page: Page) -> list[dict[str, Any]]:
    """A finished and a failed conversion of a user who is signed in on the page."""
    register(page, service, request.node.name[:40])
    drop(page, corpus_file("mp4/sample.mp4"), corpus_file("mp4/sample_video_only.mp4"))
    expect(page.get_by_role("heading", name="1 MP3 is ready, 1 failed")).to_be_visible(timeout=WAIT_MS)
    items: list[dict[str, Any]] = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    return sorted(items, key=lambda item: str(item["state"]), reverse=True)


def test_a_long_list_is_sorted_and_filtered_by_the_keyboard(page: Page, mixed: list[dict[str, Any]]) -> None:
    """It should offer that from eight files on, have one main button, and scroll without any work on the layout."""
    finished, failed = mixed
    expect(page.locator(PRIMARY)).to_have_text("")  # the download of the only MP3
    restore_rows(page, [finished] * 6 + [failed])
    expect(page.get_by_label("Sort by")).to_have_count(0)
    names = [f"Talk {number}.mp3" for number in range(1, 201)]
    restore_rows(page, ([finished] * 3 + [failed]) * 50, names)
    expect(page.get_by_role("heading", name="150 MP3s are ready, 50 failed")).to_be_visible()
    expect(page.locator(PRIMARY)).to_have_text("Download 1–100 (ZIP)")
    assert barriers(page) == []

    page.get_by_role("radio", name="All 200").focus()
    for group, count in (("In progress 0", 0), ("Ready 150", 150), ("Failed 50", 50)):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("radio", name=group)).to_be_focused()
        expect(row(page)).to_have_count(count)
        expect(page.locator("[aria-live=polite]")).to_contain_text(f"{count} of 200 files shown")
        assert page.get_by_text("There are no files in this state.").count() == (0 if count else 1)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Show all files").press("Enter")
    page.get_by_label("Sort by").select_option("Name")
    # What has failed has no MP3, and the name of its file.
    expect(row(page).locator(".name").nth(49)).to_have_text("sample_video_only.mp4")
    expect(row(page).locator(".name").nth(51)).to_have_text("Talk 2.mp3")
    page.get_by_label("Sort by").select_option("Newest")
    expect(row(page).locator(".name").nth(1)).to_have_text("Talk 199.mp3")

    elements = row(page).evaluate_all("(rows) => Math.max(...rows.map((row) => row.querySelectorAll('*').length))")
    assert elements <= MAX_ROW_ELEMENTS
    before = metrics(page)
    for share in (0.3, 0.6, 1, 0):
        page.evaluate(
            """(share) => new Promise((drawn) => {
              scrollTo(0, share * document.body.scrollHeight);
              requestAnimationFrame(() => requestAnimationFrame(drawn));
            })""",
            share,
        )
    after = metrics(page)
    assert after["LayoutCount"] - before["LayoutCount"] <= 1
    assert after["JSHeapUsedSize"] <= MAX_HEAP_BYTES


def test_a_removed_row_passes_the_focus_on(page: Page, mixed: list[dict[str, Any]]) -> None:
    """It should be that of the row that follows, and never that of the whole page."""
    restore_rows(page, mixed * 2)
    remove = row(page).get_by_role("button", name=re.compile("^Remove"))
    remove.first.press("Enter")
    expect(row(page)).to_have_count(3)
    expect(row(page).nth(1).locator(":focus")).to_have_count(1)


# -- Converting again -------------------------------------------------------------------------------------


@pytest.fixture
def tabs(service: Service, page: Page) -> tuple[Page, Page]:
    """Two tabs of one user."""
    context: BrowserContext = page.context
    context.set_default_timeout(WAIT_MS)
    register(page, service, "rows-again")
    other = context.new_page()
    other.goto(service.url)
    return page, other


def convert_again(page: Page) -> None:
    open_menu(page)
    row(page).get_by_role("button", name="Change", exact=True).click()
    row(page).get_by_role("button", name="Convert again").click()


def mp3_of(page: Page) -> str:
    """The address that the only row downloads."""
    return row(page).get_by_role("link", name="Download").get_attribute("href") or ""


def start_too_late(route: Route) -> None:
    """The page asks for a start after the end, which only the conversion finds out."""
    if route.request.method != "POST":
        route.fallback()
        return
    order: dict[str, Any] = route.request.post_data_json or {}
    route.continue_(post_data={**order, "options": {**order["options"], "start_s": 5000}})


def test_converting_again_keeps_the_mp3_until_the_next_one_is_there(
    service: Service, tabs: tuple[Page, Page], long_file: Path
) -> None:
    """It should do so in all tabs and after a reload, and say why there is no new one."""
    page, other = tabs
    drop(page, long_file)
    for tab in tabs:
        expect(row(tab)).to_have_attribute("data-phase", "finished", timeout=2 * WAIT_MS)
    first = mp3_of(page)
    name = row(page).locator(".name")

    page.route("**/v1/conversions", start_too_late)
    convert_again(page)
    page.unroute("**/v1/conversions")
    for tab in tabs:
        expect(row(tab)).to_contain_text("The new conversion failed, so this is still the previous MP3. The audio ends")
        expect(row(tab)).to_have_attribute("data-phase", "finished")
        expect(row(tab).locator(".name")).to_have_text("Long.mp3")
        assert mp3_of(tab) == first
    assert page.request.head(first).status == 200

    with held(service):
        convert_again(page)
        for tab in tabs:
            expect(row(tab)).to_contain_text("This MP3 stays until the new one is ready.")
            assert mp3_of(tab) == first
        page.reload()
        expect(name).to_have_text("Long.mp3")
        assert mp3_of(page) == first
        row(page).get_by_role("button", name="Cancel Long.m4a").click()
        for tab in tabs:
            expect(row(tab)).to_contain_text("The new conversion was canceled. This is still the previous MP3.")
            assert mp3_of(tab) == first

    row(other).get_by_role("button", name="Try again").click()
    for tab in tabs:
        link = row(tab).get_by_role("link", name="Download")
        expect(link).not_to_have_attribute("href", first, timeout=2 * WAIT_MS)
        expect(row(tab)).to_have_attribute("data-phase", "finished")
        expect(row(tab).get_by_text("previous MP3")).to_have_count(0)


def test_a_conversion_survives_a_killed_and_a_stopped_service(service: Service, page: Page, long_file: Path) -> None:
    """It should say that the connection is lost, come back by itself, and end as one MP3 with nothing pressed."""
    register(page, service, "rows-restart")
    lost = page.get_by_text("The connection to the service is lost.")
    with held(service):
        drop(page, long_file)
        for end in (service.roles["serve"].kill, lambda: service.roles["serve"].stop()):
            expect(row(page)).to_have_attribute("data-phase", "processing", timeout=2 * WAIT_MS)
            end()
            expect(lost).to_be_visible()
            start_again(service)
            expect(lost).to_have_count(0)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=2 * WAIT_MS)
    items = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert [item["state"] for item in items] == ["finished"]
