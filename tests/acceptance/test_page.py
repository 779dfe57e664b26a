"""The page in a real browser: Debian's Chromium, driven by Playwright."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

from tests.acceptance.service import PASSWORD, Service, embedded
from tests.media import corpus_file, make_video, samples_by_ffmpeg
from tests.servers import SMTPServer, require_program, wait_until

# As root and without a network Chromium needs all of these.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, mail_server: SMTPServer) -> Iterator[Service]:
    """An embedded service."""
    with embedded(tmp_path_factory.mktemp("page"), mail_server) as service:
        yield service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    executable = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fresh browser profile that takes every complaint of the browser as a failure."""
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert complaints == []


def test_the_printed_link_signs_in_once(service: Service, page: Page) -> None:
    """It should sign the browser in with the link that `serve` prints, and show the page again while that lasts."""
    link = service.roles["serve"].wait_for_output(r"http://\S+/sign-in\?token=\S+")[0]
    page.goto(link)
    expect(page.locator("#username")).to_have_text("local")
    assert "token" not in page.url
    page.goto(link)
    expect(page.locator("#username")).to_have_text("local")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("#sign-in")).to_be_visible()
    answer = page.goto(link)
    assert answer is not None
    assert answer.status == 401


def test_a_dropped_video_becomes_an_mp3_to_hear_and_to_keep(service: Service, page: Page, tmp_path: Path) -> None:
    """It should register, upload, show percent, play, and download the exact MP3."""
    video = make_video(tmp_path / "My talk.mp4", 20)
    register(page, service, "page-user")

    page.locator("#file").set_input_files(video)
    row = page.locator("#conversions li").first
    expect(row.locator(".name")).to_have_text("My talk.mp4")
    expect(row.get_by_role("link", name="Download")).to_be_visible(timeout=30_000)

    page.evaluate("document.querySelector('audio').play()")
    wait_until(lambda: page.evaluate("document.querySelector('audio').currentTime") > 0.1, 20, "the sound to play")
    assert abs(page.evaluate("document.querySelector('audio').duration") - 20) < 0.1

    with page.expect_download() as download:
        row.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "My talk.mp3"
    mp3 = tmp_path / "downloaded.mp3"
    download.value.save_as(mp3)
    assert samples_by_ffmpeg(mp3) == 20 * 48_000

    page.reload()
    expect(page.locator("#conversions li .name")).to_have_text(["My talk.mp4"])
    page.locator("#conversions li").get_by_role("button", name="Delete").click()
    expect(page.locator("#conversions li")).to_have_count(0)


def test_several_mp3s_are_played_one_after_the_other_and_kept_together_or_alone(
    service: Service, page: Page, tmp_path: Path
) -> None:
    """It should list the MP3s of a conversion that was asked to split."""
    video = make_video(tmp_path / "My talk.mp4", 3)
    register(page, service, "page-user-parts")
    file = FilePayload(name=video.name, mimeType="video/mp4", buffer=video.read_bytes())
    answer = page.request.post(
        f"{service.url}/v1/conversions", multipart={"split": "2", "file": file}, headers={"Origin": service.url}
    )
    path = answer.json()["links"]["self"]
    wait_until(lambda: page.request.get(service.url + path).json()["state"] == "finished", 60, "the conversion")

    page.reload()
    row = page.locator("#conversions > li")
    row.get_by_text("2 MP3s").click()
    expect(row.locator(".parts .play")).to_have_text(["A talk (1) (0:02)", "A talk (2) (0:01)"])
    row.get_by_role("button", name="Play A talk (1)").click()
    expect(row.locator(".parts li").nth(1)).to_have_attribute("aria-current", "true", timeout=30_000)
    wait_until(lambda: page.evaluate("document.querySelector('audio').currentTime") > 0.1, 20, "the second to play")
    for link, name in (("Download all (ZIP)", "My talk.zip"), ("Download A talk (2)", "My talk-02.mp3")):
        with page.expect_download() as download:
            row.get_by_role("link", name=link).click()
        assert download.value.suggested_filename == name


def test_a_file_without_sound_is_explained(service: Service, page: Page) -> None:
    """It should show the sentence of the error, not a code."""
    register(page, service, "page-user-2")
    page.locator("#file").set_input_files(corpus_file("mp4/sample_video_only.mp4"))
    row = page.locator("#conversions li").first
    expect(row.locator(".state")).to_have_text(re.compile("no audio track"), timeout=30_000)


def test_a_file_that_was_not_taken_is_explained_and_goes_away(service: Service, page: Page) -> None:
    """It should say why, and delete the row, though there is nothing to delete in the service."""
    register(page, service, "page-user-3")
    empty = FilePayload(name="empty.mp4", mimeType="video/mp4", buffer=b"")
    page.locator("#file").set_input_files([empty])
    row = page.locator("#conversions li")
    expect(row.locator(".state")).to_have_text("The file is empty.")
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)

    page.context.clear_cookies()
    page.locator("#file").set_input_files([FilePayload(name="talk.mp4", mimeType="video/mp4", buffer=b"a video")])
    expect(row.locator(".state")).to_have_text(re.compile("Send credentials|sign in", re.IGNORECASE))
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_a_visitor_on_this_machine_is_told_of_the_link(service: Service, page: Page) -> None:
    page.goto(service.url)
    expect(page.get_by_text("Open the link that the service printed")).to_be_visible()


def register(page: Page, service: Service, username: str) -> None:
    """Makes an account on the page, which signs it in."""
    page.goto(service.url)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Make an account").click()
    expect(page.locator("#username")).to_have_text(username)
