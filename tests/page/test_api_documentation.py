"""The documentation of the API at /docs: complete, of this service alone, and open to all."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.acceptance.service import Service
from tests.page.axe import Scheme, barriers
from tests.page.test_convert import WAIT_MS
from tests.page.test_looks import overflow
from video2mp3.api.description.groups import GROUPS


def open_docs(page: Page, service: Service, fragment: str = "") -> None:
    page.goto(f"{service.url}/docs{fragment}", timeout=WAIT_MS)
    expect(page.locator(".opblock").first).to_be_visible(timeout=WAIT_MS)


def test_it_is_complete_and_open_to_all_and_asks_no_other_host(browser: Browser, service: Service) -> None:
    """It should show the groups in their order, the service's own address in the commands, and fit each screen.

    The documents are long. What axe finds depends on the scheme for colors only, and on the width for the rest.
    """
    context = browser.new_context(locale="en", viewport={"width": 390, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_docs(page, service, "#/conversions/createConversion")
    call = page.locator("#operations-conversions-createConversion")
    expect(call.locator(".curl")).to_contain_text(
        re.compile(r"curl -fsS http\S+/v1/conversions.*bitrate_kbps", re.DOTALL)
    )
    expect(call.locator(".responses-table")).to_contain_text("too_many_jobs")
    expect(call.locator(".responses-table")).to_contain_text('"state": "finished"')
    looks: tuple[tuple[int, Scheme], ...] = ((390, "light"), (1440, "dark"))
    for width, scheme in looks:
        page.set_viewport_size({"width": width, "height": 900})
        assert overflow(page) <= 0
        for inner in ("#errors", ".opblock-tag-section"):  # not hidden behind a scroll bar either
            assert page.locator(inner).first.evaluate("(one) => one.scrollWidth - one.clientWidth") <= 0
        expect(page.locator(".opblock-tag small").first).to_have_css(
            "width", re.compile(r"^(2[5-9]\d|[3-9]\d\d|1\d{3})")
        )
        assert barriers(page, scheme) == []
    assert [url for url in asked if not url.startswith((service.url, "data:", "blob:"))] == []
    expect(page.locator(".info h2").first).to_have_text("Quick start")
    expect(page.locator(".info pre > code").first).to_contain_text(f"{service.url}/v1/mp3/")
    assert page.locator(".opblock-tag").evaluate_all("(all) => all.map((each) => each.dataset.tag)") == list(GROUPS)
    context.close()


def test_the_theme_that_was_chosen_goes_before_the_system_s(page: Page, service: Service) -> None:
    page.emulate_media(color_scheme="dark")
    page.add_init_script("localStorage.setItem('video2mp3.theme', 'light')")
    open_docs(page, service)
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator(".info h1")).to_have_css("color", "rgb(59, 65, 81)")


def test_a_problem_s_type_leads_to_its_error(page: Page, service: Service) -> None:
    open_docs(page, service, "#quota_exceeded")
    expect(page.locator("#quota_exceeded")).to_be_in_viewport()
