"""What was converted before: found, heard, shared and deleted."""

import re
from pathlib import Path

import httpx
from playwright.sync_api import FilePayload, Page, expect

from tests.acceptance.service import Service
from tests.media import make_video
from tests.page.axe import barriers
from tests.page.conftest import make_account, register
from tests.servers import wait_until


def test_conversions_are_found_heard_shared_and_deleted(service: Service, page: Page, tmp_path: Path) -> None:
    """It should show how long each is kept; a link works without an account, until the conversion is deleted."""
    register(page, service, "history")
    video = make_video(tmp_path / "video.mp4", 2).read_bytes()
    for name in ("A talk.mp4", "A song.mp4"):
        file = FilePayload(name=name, mimeType="video/mp4", buffer=video)
        page.request.post(
            f"{service.url}/v1/conversions",
            multipart={"file": file, "preset": "voice"},
            headers={"Origin": service.url},
        )
    page.get_by_role("link", name="History").click()
    rows = page.get_by_role("list", name="History").get_by_role("listitem")
    expect(rows.locator(".name")).to_have_text([re.compile("A song"), re.compile("A talk")])
    for row in rows.all():
        expect(row).to_contain_text(re.compile("expires in .* days"), timeout=30_000)
    expect(rows.locator(".name")).to_have_text(["A song.mp3", "A talk.mp3"])

    page.get_by_label("Search by name").fill("TALK")
    expect(rows.locator(".name")).to_have_text(["A talk.mp3"])
    menu = page.get_by_role("button", name="More for A talk.mp3")
    menu.click()
    assert barriers(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Share")).to_have_count(0)
    expect(menu).to_be_focused()
    page.get_by_role("button", name="Listen to A talk.mp3").click()
    expect(page.get_by_role("slider", name="Position in A talk.mp3")).to_be_visible()
    menu.click()
    page.get_by_role("button", name="Share").click()
    field = page.get_by_label("Link to A talk.mp3")
    expect(field).to_have_value(re.compile(r"/share/"))
    link = field.input_value()
    assert httpx.get(link).status_code == 200

    menu.click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete permanently").click()
    expect(rows).to_have_count(0)
    wait_until(lambda: httpx.get(link).status_code == 404, 10, "the link to end")
    page.get_by_label("Search by name").fill("")
    expect(rows.locator(".name")).to_have_text(["A song.mp3"])


def test_nobody_sees_what_the_one_before_has_converted(service: Service, page: Page) -> None:
    """It should leave nothing in the browser for whoever signs in next."""
    register(page, service, "history-first")
    page.locator("#files").set_input_files([FilePayload(name="Secret.mp4", mimeType="video/mp4", buffer=b"no video")])
    expect(page.locator("li[data-phase='failed']")).to_contain_text("Secret.mp4", timeout=30_000)
    page.context.clear_cookies()
    page.reload()
    make_account(page, "history-second")
    expect(page.get_by_text("Secret.mp4")).to_have_count(0)
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("No conversions yet")).to_be_visible()
