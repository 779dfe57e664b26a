"""An MP3 is shared by a link: the owner's side, and the page that the link leads to."""

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.acceptance.service import Service
from tests.media import make_video
from tests.page.axe import barriers
from tests.page.conftest import register
from tests.page.test_convert import WAIT_MS, audio
from tests.page.test_looks import overflow
from tests.servers import require_program

CHAPTERS = """;FFMETADATA1
title=Der lange <b>Titel</b> eines Vortrags über Fairneß
artist=Ada
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=Begin
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=3000
title=Middle
"""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with chapters."""
    folder = tmp_path_factory.mktemp("talk")
    (folder / "chapters.txt").write_text(CHAPTERS)
    video = make_video(folder / "plain.mp4", 3)
    command = [require_program("ffmpeg"), "-v", "error", "-i", str(video), "-i", str(folder / "chapters.txt")]
    subprocess.run([*command, "-map_metadata", "1", "-c", "copy", str(folder / "talk.mkv")], check=True)
    return folder / "talk.mkv"


def share(page: Page, service: Service, talk: Path) -> str:
    """Converts the video, opens the dialog of its row in the history, and returns the link."""
    file = FilePayload(name="talk.mkv", mimeType="video/x-matroska", buffer=talk.read_bytes())
    page.request.post(
        f"{service.url}/v1/conversions",
        multipart={"file": file, "cover_at_s": "1"},
        headers={"Origin": service.url},
    )
    page.get_by_role("link", name="History").click()
    menu = page.get_by_role("button", name="More for talk.mp3")
    expect(page.get_by_text(re.compile("expires in .* days"))).to_be_visible(timeout=WAIT_MS)
    menu.click()
    page.get_by_role("button", name="Share").click()
    field = page.get_by_label("Link to talk.mp3")
    expect(field).to_have_value(re.compile("/share/"))
    return field.input_value()


def test_a_link_leads_to_a_page_that_plays_until_it_is_stopped(
    service: Service, page: Page, browser: Browser, talk: Path
) -> None:
    """It should show title, cover and chapters to somebody without an account, and nothing once it is stopped."""
    register(page, service, "sharing")
    link = share(page, service, talk)
    context = browser.new_context(locale="de", viewport={"width": 320, "height": 700})
    visitor = context.new_page()
    complaints: list[str] = []
    visitor.on("pageerror", lambda error: complaints.append(str(error)))
    visitor.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    asked: list[str] = []
    visitor.on("request", lambda request: asked.append(request.url.removeprefix(service.url)))
    visitor.goto(link)
    title = "Der lange <b>Titel</b> eines Vortrags über Fairneß"
    expect(visitor.get_by_role("heading", name=title)).to_be_visible()
    assert visitor.title() == title
    expect(visitor.get_by_role("img", name="Cover")).to_have_js_property("complete", value=True)
    assert visitor.get_by_role("img", name="Cover").evaluate("image => image.naturalWidth") > 0
    expect(visitor.get_by_role("slider").locator("path").first).to_be_visible(timeout=WAIT_MS)
    visitor.get_by_role("button", name="Middle").click()
    expect(visitor.get_by_role("slider")).to_have_attribute("aria-valuenow", re.compile("[123]"))
    with visitor.expect_download() as download:
        visitor.get_by_role("link", name="MP3 herunterladen").click()
    assert download.value.suggested_filename == "talk.mp3"
    # It asks for what the link names, and for nothing else of the service.
    token = link.rpartition("/")[2]
    allowed = (f"/share/{token}", f"/v1/shared/{token}/", "/page/")
    assert [path for path in asked if not path.startswith(allowed)] == []
    assert complaints == []
    assert overflow(visitor) <= 0
    assert barriers(visitor) == []

    # Another site cannot show it in a frame.
    visitor.goto("about:blank")
    visitor.set_content(f"<iframe src='{link}'></iframe>")
    assert visitor.frames[1].url.startswith("chrome-error:")

    page.get_by_role("button", name="Stop sharing").click()
    expect(page.get_by_role("button", name="Create a link")).to_be_visible()
    assert barriers(page) == []
    stopped = visitor.goto(link)
    assert stopped is not None
    assert stopped.status == 410
    expect(visitor.get_by_text("has stopped sharing it")).to_be_visible()
    page.get_by_role("button", name="Create a link").click()
    field = page.get_by_label("Link to talk.mp3")
    expect(field).to_have_value(re.compile("/share/"))
    visitor.goto(field.input_value())
    expect(visitor.get_by_role("heading", name=title)).to_be_visible()
    # It is stopped while somebody listens: what is not yet loaded stays away, and the page says so.
    page.get_by_role("button", name="Stop sharing").click()
    expect(page.get_by_role("button", name="Create a link")).to_be_visible()
    visitor.get_by_role("button", name="abspielen").first.click()
    expect(visitor.get_by_role("alert")).to_be_visible(timeout=WAIT_MS)
    assert audio(visitor, "currentTime") == 0
    context.close()
