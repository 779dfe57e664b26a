"""The first minute: a video is dropped, followed, heard and kept; and what happens when something comes between."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.acceptance.service import Service
from tests.media import corpus_file, make_video, samples_by_ffmpeg
from tests.page.axe import barriers
from tests.page.conftest import register
from tests.servers import wait_until

WAIT_MS = 60_000


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("video") / "My talk.mp4", 60)


def row(page: Page) -> Locator:
    return page.locator("li[data-phase]")


def drop(page: Page, *files: Path | FilePayload) -> None:
    page.locator("#files").set_input_files(list(files))  # type: ignore[arg-type]  # either kind, never both


IS_LOADED = "performance.getEntriesByType('resource').some(({ name }) => /\\/Account-.*js$/.test(name))"
"""The view of accounts is the last that a page loads while it is idle (web/src/views.ts)."""


@contextmanager
def slow_line(page: Page, bytes_per_s: int) -> Iterator[None]:
    """Within it the page sends so many bytes a second."""
    limit = limit_line(page, bytes_per_s)
    yield
    limit(-1)


def limit_line(page: Page, bytes_per_s: int) -> Callable[[int], None]:
    """From now on the page sends so many bytes a second; the returned function sets another limit, or none by -1.

    By then the page has loaded what it loads while it is idle: the browser limits requests under way as well.
    """
    wait_until(lambda: page.evaluate(IS_LOADED), 60, "the rest of the page to be loaded")
    session = page.context.new_cdp_session(page)

    def limit(bytes_per_s: int) -> None:
        line = {"offline": False, "latency": 0 if bytes_per_s < 0 else 5, "downloadThroughput": -1}
        session.send("Network.emulateNetworkConditions", {**line, "uploadThroughput": bytes_per_s})

    limit(bytes_per_s)
    return limit


def open_menu(page: Page) -> None:
    """The menu of the only finished row."""
    row(page).get_by_role("button", name=re.compile("^More for ")).click()


def audio(page: Page, what: str) -> float:
    value: float = page.evaluate(f"document.querySelector('audio').{what}")
    return value


def test_a_dropped_video_becomes_an_mp3_to_hear_and_to_keep(
    service: Service, page: Page, video: Path, tmp_path: Path
) -> None:
    """It should need nothing but the file: show how far it is, play, and download the exact MP3, all on one page."""
    register(page, service, "convert")
    expect(
        page.get_by_text("Uploads are kept for 24 hours, MP3s for 7 days, and no other user can see them.")
    ).to_be_visible()
    with slow_line(page, 400_000):
        drop(page, video)
        expect(row(page)).to_have_text(
            re.compile(r"My talk\.mp4.*Uploading [1-9]\d?%.* left", re.DOTALL), timeout=WAIT_MS
        )
        expect(page).to_have_title(re.compile(r"\d+% · video2mp3"))
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    expect(page).to_have_title("✓ 1 MP3 is ready · video2mp3")

    expect(page.get_by_role("slider", name="Position in My talk.mp3")).to_be_visible()
    page.get_by_role("button", name="Play My talk.mp3").click()
    wait_until(lambda: audio(page, "currentTime") > 0.1, 20, "the sound to play")
    assert abs(audio(page, "duration") - 60) < 0.1
    page.get_by_role("slider", name="Position in My talk.mp3").press("End")
    wait_until(lambda: audio(page, "currentTime") > 59, 20, "the end to be reached by a key")

    with page.expect_download() as download:
        row(page).get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "My talk.mp3"
    download.value.save_as(tmp_path / "downloaded.mp3")
    assert samples_by_ffmpeg(tmp_path / "downloaded.mp3") == 60 * 48_000
    job = page.request.get(f"{service.url}/v1/conversions").json()["items"][0]
    assert job["options"] == {"preset": "standard"}

    page.reload()
    expect(row(page)).to_have_attribute("data-phase", "finished")
    open_menu(page)
    page.get_by_role("button", name="Remove from the list").click()
    expect(row(page)).to_have_count(0)


def test_an_mp3_is_renamed_before_it_is_downloaded(service: Service, page: Page) -> None:
    """It should keep its new name after a reload, keep its suffix, and share a link from the row.

    The menu should be seen whole, also at the bottom of a phone's screen.
    """
    register(page, service, "convert-name")
    drop(page, corpus_file("mp4/sample.mp4"))
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    expect(row(page).locator(".name")).to_have_text("sample.mp3")
    page.set_viewport_size({"width": 390, "height": 700})
    row(page).get_by_role("button", name=re.compile("^More for ")).evaluate(
        "(menu) => menu.scrollIntoView({ block: 'end' })"
    )
    open_menu(page)
    expect(page.get_by_role("button", name="Remove from the list")).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Rename").click()
    field = page.get_by_label("New name of sample.mp3")
    expect(field).to_have_value("sample")
    field.press("Escape")
    open_menu(page)
    page.get_by_role("button", name="Rename").click()
    problems = {"a/b": 'any of these: / \\ : * ? " < > |', ".hidden": "begin with . or ~", "n" * 241: "too long"}
    for wrong, problem in problems.items():
        field.fill(wrong)
        field.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text(problem)
    expect(field).to_have_attribute("aria-invalid", "true")
    assert barriers(page, "light") == []
    # What is invisible goes by itself, and so does the suffix, which is added.
    field.fill("Größe\u202e\x07\u200d\ufdd0 1.MP3")
    expect(page.get_by_role("alert")).to_have_count(0)
    field.press("Enter")
    page.reload()
    expect(row(page).locator(".name")).to_have_text("Größe 1.mp3")
    with page.expect_download() as download:
        row(page).get_by_role("link", name="Download Größe 1.mp3").click()
    assert download.value.suggested_filename == "Größe 1.mp3"
    open_menu(page)
    page.get_by_role("button", name="Share").click()
    expect(page.get_by_label("Link to Größe 1.mp3")).to_have_value(re.compile("/share/"))


HOLD_LOOKS = """() => {
  const fetched = window.fetch;
  const held = [];
  window.release = () => held.forEach((go) => go());
  window.fetch = (url, init) => {
    const isLook = (init?.method ?? "GET") === "GET" && /v1\\/uploads\\/\\w+$/.test(String(url));
    return isLook ? new Promise((go) => held.push(go)).then(() => fetched(url, init)) : fetched(url, init);
  };
}"""
"""The page asks how much of an upload is stored, and is answered when `release` is called."""


def test_an_upload_goes_on_after_the_page_was_loaded_again(service: Service, page: Page, video: Path) -> None:
    """It should do so by itself where the browser holds the file, and ask for the same file where it does not."""
    register(page, service, "convert-again")
    with slow_line(page, 100_000):
        drop(page, video)
        expect(row(page)).to_have_text(re.compile(r"Uploading [1-9]\d?%"), timeout=WAIT_MS)
        page.evaluate("indexedDB.deleteDatabase('video2mp3')")
        page.reload()
        expect(row(page)).to_have_attribute("data-phase", "lost")
    other = FilePayload(name="Other.mp4", mimeType="video/mp4", buffer=b"another video")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose the file again").click()
    chooser.value.set_files([other])
    expect(row(page)).to_contain_text("This is a different file")
    with slow_line(page, 100_000):
        page.evaluate(HOLD_LOOKS)
        page.get_by_role("button", name="Try again").click()
        drop(page, video)
        expect(row(page)).to_have_attribute("data-phase", "uploading")
        page.evaluate("release()")  # what the retry has asked is answered after the file was given
        page.evaluate("new Promise((done) => setTimeout(done, 300))")
        expect(row(page)).to_have_attribute("data-phase", "uploading")
        wait_until(lambda: held_files(page) == 1, 20, "the browser to hold the file")
        page.reload()
        expect(row(page)).to_have_attribute("data-phase", "uploading")
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    jobs = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert [job["result"]["duration_s"] for job in jobs] == [60.0]
    wait_until(lambda: held_files(page) == 0, 20, "the browser to let the file go")


def held_files(page: Page) -> int:
    count: int = page.evaluate(
        """() => new Promise((resolve) => {
          const request = indexedDB.open("video2mp3", 1);
          request.onupgradeneeded = () => request.result.createObjectStore("files");
          request.onsuccess = () => {
            const files = request.result.transaction("files").objectStore("files").count();
            files.onsuccess = () => (request.result.close(), resolve(files.result));
          };
        })"""
    )
    return count


def test_an_upload_is_paused_resumed_and_canceled(service: Service, page: Page, video: Path) -> None:
    register(page, service, "convert-pause")
    with slow_line(page, 100_000):
        drop(page, video)
        expect(row(page)).to_have_text(re.compile(r"Uploading [1-9]\d?%"), timeout=WAIT_MS)
        page.get_by_role("button", name="Pause").click()
        expect(row(page)).to_have_attribute("data-phase", "paused")
        page.get_by_role("button", name="Resume").click()
        expect(row(page)).to_have_attribute("data-phase", "uploading")
        page.get_by_role("button", name="Cancel My talk.mp4").click()
        expect(row(page)).to_have_attribute("data-phase", "canceled")
    assert page.request.get(f"{service.url}/v1/conversions").json()["items"][0]["state"] == "canceled"
    page.get_by_role("button", name="Try again").click()
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)


def test_many_files_are_converted_in_order_and_fetched_as_one(service: Service, page: Page, tmp_path: Path) -> None:
    register(page, service, "convert-many")
    video = make_video(tmp_path / "1.mp4", 2).read_bytes()
    files = [FilePayload(name=f"Talk {n}.mp4", mimeType="video/mp4", buffer=video) for n in range(1, 7)]
    with slow_line(page, 60_000):
        drop(page, *files)
        expect(page.get_by_text("0 of 6 done")).to_be_visible()
        page.get_by_role("button", name="Move Talk 6.mp4 up").click()
        expect(row(page).nth(4)).to_contain_text("Talk 6.mp4")
        wait_until(lambda: held_files(page) == 6, 20, "the browser to hold the files that wait, too")
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        expect(row(page)).to_have_count(6)
    expect(page.get_by_role("heading", name="6 MP3s are ready")).to_be_visible(timeout=WAIT_MS)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all 6 (ZIP)").click()
    assert download.value.suggested_filename == "conversions.zip"
    row(page).first.get_by_role("button", name="Listen to Talk 1.mp3").click()
    expect(page.get_by_role("slider", name="Position in Talk 1.mp3")).to_be_visible()
    page.get_by_role("button", name="Clear finished").click()
    expect(row(page)).to_have_count(0)


def test_what_cannot_be_converted_is_explained(service: Service, page: Page) -> None:
    """It should say so in a sentence, beside files that can."""
    register(page, service, "convert-bad")
    drop(page, corpus_file("mp4/sample_video_only.mp4"))
    expect(row(page).first).to_contain_text("This video has no audio", timeout=WAIT_MS)
    drop(page, FilePayload(name="empty.mp4", mimeType="video/mp4", buffer=b""))
    expect(row(page).nth(1)).to_contain_text("The file is empty.")
    expect(page.get_by_role("heading", name="2 failed")).to_be_visible()
    expect(row(page).get_by_role("button", name="Change")).to_have_count(0)  # no option helps


def test_several_mp3s_are_played_one_after_the_other_and_kept_together_or_alone(
    service: Service, page: Page, tmp_path: Path
) -> None:
    """It should list the MP3s of a conversion that was asked to split."""
    register(page, service, "convert-segments")
    page.evaluate("localStorage.setItem('video2mp3.preferences', JSON.stringify({options: {split: 2}}))")
    page.reload()
    drop(page, make_video(tmp_path / "My talk.mp4", 3))
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    row(page).get_by_text("2 MP3s").click()
    segments = row(page).locator("ol > li")
    expect(segments).to_have_text([re.compile(r"A talk \(1\)\s*0:02"), re.compile(r"A talk \(2\)\s*0:01")])
    row(page).get_by_role("button", name="Play A talk (1)").click()
    expect(segments.nth(1)).to_have_attribute("aria-current", "true", timeout=WAIT_MS)
    wait_until(lambda: audio(page, "currentTime") > 0.1, 20, "the second to play")
    for link, name in (("Download all (ZIP)", "My talk.zip"), ("Download A talk (2)", "My talk-02.mp3")):
        with page.expect_download() as download:
            row(page).get_by_role("link", name=link).click()
        assert download.value.suggested_filename == name
