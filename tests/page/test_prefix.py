"""The page below a path of a server."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.acceptance.service import PASSWORD, embedded
from tests.media import make_video
from tests.servers import SMTPServer


def test_a_video_is_converted_below_a_path(browser: Browser, tmp_path: Path) -> None:
    """It should sign in, upload, follow, play and download there, and ask for nothing above that path."""
    page = browser.new_context(locale="en", service_workers="allow").new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    mail_server = SMTPServer()
    mail_server.start()
    env = {"VIDEO2MP3_PUBLIC_URL": "http://127.0.0.1/tools/mp3", "VIDEO2MP3_REGISTRATION": "open"}
    with embedded(tmp_path, mail_server, env) as service:
        home = f"{service.url}/tools/mp3/"
        page.request.post(f"{home}v1/accounts", data={"username": "prefix", "password": PASSWORD}).json()
        page.goto(home)
        page.locator("#username").fill("prefix")
        page.locator("#password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Drop a video, get an MP3")).to_be_visible()
        page.locator("#files").set_input_files(make_video(tmp_path / "talk.mp4", 2))
        expect(page.locator("li[data-phase='finished']")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("slider", name="Position in talk.mp3").locator("path").first).to_be_visible(
            timeout=30_000
        )
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert download.value.suggested_filename == "talk.mp3"
        assert page.evaluate("async () => (await navigator.serviceWorker.ready).scope") == home
        page.goto("about:blank")
        page.context.close()
    mail_server.close()
    assert [url for url in asked if not url.startswith((home, "about:", "blob:"))] == []
