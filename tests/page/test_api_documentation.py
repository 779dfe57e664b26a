"""The documentation of the API at /docs: complete, of this service alone, and open to all."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.service import Service
from tests.page.axe import barriers
from tests.page.test_convert import WAIT_MS
from tests.page.test_looks import overflow
from video2mp3.api.description.groups import GROUPS


def open_docs(page: Page, service: Service, fragment: str = "") -> None:
    page.goto(f"{service.url}/docs{fragment}")
    expect(page.locator(".opblock").first).to_be_visible(timeout=WAIT_MS)


def test_it_begins_with_the_quick_start_and_asks_no_other_host(page: Page, service: Service) -> None:
    """It should show the groups in their order, and the service's own address in the commands."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_docs(page, service)
    assert [url for url in asked if not url.startswith((service.url, "data:", "blob:"))] == []
    expect(page.locator(".info h2").first).to_have_text("Quick start")
    expect(page.locator(".info pre > code").first).to_contain_text(f"{service.url}/v1/mp3/")
    assert page.locator(".opblock-tag").evaluate_all("(all) => all.map((each) => each.dataset.tag)") == list(GROUPS)


def test_a_call_shows_its_command_its_example_and_its_errors(page: Page, service: Service) -> None:
    open_docs(page, service, "#/conversions/createConversion")
    call = page.locator("#operations-conversions-createConversion")
    expect(call.locator(".curl")).to_contain_text(
        re.compile(r"curl -fsS http\S+/v1/conversions.*bitrate_kbps", re.DOTALL)
    )
    expect(call.locator(".responses-table")).to_contain_text("too_many_jobs")
    expect(call.locator(".responses-table")).to_contain_text('"state": "finished"')


def test_a_problem_s_type_leads_to_its_error(page: Page, service: Service) -> None:
    open_docs(page, service, "#quota_exceeded")
    expect(page.locator("#quota_exceeded")).to_be_in_viewport()


@pytest.mark.parametrize("width", [390, 1440])
def test_it_is_open_to_all_and_fits_the_screen(browser: Browser, service: Service, width: int) -> None:
    """It should be so in light and in dark, with a call and the webhooks unfolded."""
    context = browser.new_context(locale="en", viewport={"width": width, "height": 900})
    page = context.new_page()
    open_docs(page, service, "#/conversions/createConversion")
    expect(page.locator(".curl")).to_be_visible()
    assert barriers(page) == []
    assert overflow(page) <= 0
    context.close()
