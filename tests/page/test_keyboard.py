"""The first minute without a mouse, and what the screen says meanwhile."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.acceptance.service import PASSWORD, Service
from tests.engine.converting import make
from tests.media import samples_by_ffmpeg
from tests.page.test_convert import WAIT_MS, row

INSTEAD_OF_THE_DIALOG = """document.querySelector("#files").addEventListener("click", (event) => {
  event.preventDefault();
  window.isAsked = true;
})"""
"""The dialog for files is the browser's own."""


def tab_to(page: Page, wanted: Locator) -> None:
    """Presses the tab key until the element has the focus, which is visible there."""
    expect(wanted).to_be_visible()
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            assert wanted.evaluate("(element) => element.matches(':focus-visible')")
            return
    raise AssertionError(f"the tab key does not lead to {wanted}")


def test_the_first_minute_needs_no_mouse(service: Service, page: Page, tmp_path: Path) -> None:
    """It should lead from the open page to the saved MP3 by keyboard, and answer what a newcomer asks on the way."""
    tracks = [word for sound in (440, 880) for word in ("-f", "lavfi", "-i", f"sine={sound}:duration=2")]
    video = make(tmp_path / "My talk.mp4", *tracks, "-map", "0", "-map", "1", "-c:a", "aac")
    page.goto(service.url)
    tab_to(page, page.get_by_role("link", name="Create account"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Create account")).to_be_focused()
    tab_to(page, page.get_by_label("Username", exact=True))
    page.keyboard.type("keyboard")
    tab_to(page, page.get_by_label("Password"))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Drop a video, get an MP3")).to_be_focused()
    privacy = "Uploads are kept for 24 hours, MP3s for 7 days, and no other user can see them."
    expect(page.get_by_text(privacy)).to_be_visible()  # how long is it kept, who can see it
    page.evaluate(INSTEAD_OF_THE_DIALOG)
    for _ in range(3):  # the view may still be moving the focus to its heading
        tab_to(page, page.get_by_role("button", name="Choose files"))
        page.keyboard.press("Enter")
        if page.evaluate("window.isAsked"):
            break
    assert page.evaluate("window.isAsked")
    page.locator("#files").set_input_files(video)
    expect(row(page).first).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    expect(row(page).first).to_contain_text("My talk.mp3")  # what will it be called
    expect(row(page).first).to_contain_text("2 audio tracks")  # which track
    tab_to(page, row(page).first.get_by_role("link", name="Download"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "My talk.mp3"
    download.value.save_as(tmp_path / "My talk.mp3")
    assert samples_by_ffmpeg(tmp_path / "My talk.mp3") > 0
