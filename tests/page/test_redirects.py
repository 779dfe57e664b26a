"""MP3s that the service redirects to the object store, at another address than its own, play on the page."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.service import Service, embedded
from tests.media import make_video, samples_by_ffmpeg
from tests.page.conftest import register
from tests.page.test_convert import WAIT_MS, audio, drop, row
from tests.servers import S3Server, SMTPServer, wait_until
from tests.servers.s3_proxy import S3Error, S3Proxy, S3Request, nothing

EXPIRED = S3Error(403, "AccessDenied", "Request has expired")


@pytest.fixture(scope="module")
def proxy(s3: S3Server) -> Iterator[S3Proxy]:
    """The store's public address."""
    with S3Proxy(s3.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, s3: S3Server, proxy: S3Proxy) -> Iterator[Service]:
    """An embedded service that keeps its objects in the store, and redirects downloads."""
    bucket = s3.new_bucket()
    env = {
        "VIDEO2MP3_STORAGE_URL": bucket.url,
        "VIDEO2MP3_S3_ENDPOINT_URL": bucket.endpoint_url,
        "VIDEO2MP3_S3_PUBLIC_ENDPOINT_URL": proxy.url,
        "VIDEO2MP3_S3_ACCESS_KEY_ID": bucket.access_key_id,
        "VIDEO2MP3_S3_SECRET_ACCESS_KEY": bucket.secret_access_key,
        "VIDEO2MP3_REDIRECT_DOWNLOADS": "true",
    }
    mail_server = SMTPServer()
    mail_server.start()
    with embedded(tmp_path_factory.mktemp("page"), mail_server, env) as service:
        yield service
    mail_server.close()


def signature(request: S3Request) -> list[str]:
    return request.query["X-Amz-Signature"]


def test_a_redirected_mp3_plays_and_a_lost_one_is_said(
    service: Service, page: Page, proxy: S3Proxy, tmp_path: Path
) -> None:
    """It should play from another origin, without CORS, and go on where an address expired."""
    register(page, service, "redirected")
    drop(page, make_video(tmp_path / "My talk.mp4", 10))
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)

    proxy.refuse = lambda _: EXPIRED
    page.get_by_role("button", name="Play My talk.mp3").click()
    expect(row(page).get_by_role("alert")).to_contain_text("The MP3 could not be loaded", timeout=WAIT_MS)

    # The connection ends while the MP3 plays, and the address has expired when the browser asks for the rest: for
    # minutes, if it may.
    proxy.refuse = nothing
    proxy.requests.clear()
    proxy.cut_after_bytes = 100_000
    page.get_by_role("button", name="Play My talk.mp3").click()
    wait_until(lambda: audio(page, "currentTime") > 0.1, 60, "the sound to play")
    expired = signature(proxy.requests[0])

    def refuse(request: S3Request) -> S3Error | None:
        if signature(request) != expired:
            return None
        time.sleep(1.1)  # addresses that are signed in one second are the same, so the next one would be refused too
        return EXPIRED

    proxy.refuse = refuse
    proxy.cut.set()
    page.get_by_role("slider", name="Position in My talk.mp3").press("End")
    wait_until(lambda: audio(page, "ended"), 60, "the end to be loaded from the next address")
    assert signature(proxy.requests[-1]) != expired
    expect(row(page).get_by_role("alert")).to_have_count(0)
    assert all(request.headers["Origin"] is None for request in proxy.requests)

    with page.expect_download() as download:
        row(page).get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "My talk.mp3"
    download.value.save_as(tmp_path / "downloaded.mp3")
    assert samples_by_ffmpeg(tmp_path / "downloaded.mp3") == 10 * 48_000
