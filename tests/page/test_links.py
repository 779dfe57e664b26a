"""Links: pasted, typed and dropped ones become rows, and what does not work says why."""

import json
import re
from collections.abc import Iterator
from html import escape, unescape
from http.server import BaseHTTPRequestHandler

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.acceptance.service import Service, embedded
from tests.media import corpus_file
from tests.outbound.listeners import answer, web_server
from tests.page.axe import barriers
from tests.page.conftest import register
from tests.page.test_convert import WAIT_MS
from tests.page.test_looks import overflow
from tests.servers import SMTPServer

PASTE = """([text, name]) => {
  const clipboardData = new DataTransfer();
  if (name) clipboardData.items.add(new File([text], name, { type: "video/mp4" }));
  else clipboardData.setData("text/plain", text);
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""
DROP = """(list) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.setData("text/uri-list", list);
  for (const kind of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The address of a web server with a video, a page, and a redirect to a private network."""
    video = corpus_file("mp4/sample.mp4").read_bytes()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/page"):
            return answer(handler, 200, b"<p>Watch it here", Content_Type="text/html; charset=utf-8")
        if handler.path.startswith("/inside"):
            return answer(handler, 302, Location="http://10.0.0.1/secret.mp4")
        return answer(handler, 200, video) if ".mp4" in handler.path else answer(handler, 404)

    with web_server(respond) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, web: str) -> Iterator[Service]:
    mail_server = SMTPServer()
    mail_server.start()
    env = {"VIDEO2MP3_ALLOWED_NETWORKS": "127.0.0.0/8", "VIDEO2MP3_ALLOWED_PORTS": web.rpartition(":")[2]}
    with embedded(tmp_path_factory.mktemp("links"), mail_server, env) as service:
        yield service
    mail_server.close()


def row(page: Page, name: str) -> Locator:
    return page.locator("li[data-phase]").filter(has=page.locator(".name", has_text=re.compile(f"^{name}$")))


def test_links_become_rows_that_say_what_is_wrong(service: Service, page: Page, web: str) -> None:
    """It should convert each link of a paste, a drop and the field, keep the rows, and explain what failed."""
    register(page, service, "links")
    field = page.get_by_label("Paste a link to a media file")
    page.evaluate(PASTE, [f"{web}/one%20talk.mp4\n\n# a comment\n{web}/page\n", ""])
    page.evaluate(DROP, f"{web}/missing\r\n{web}/inside.mkv")
    field.fill(f"{web}/two.mp4?signature=ä#t=3")
    field.press("Enter")
    expect(field).to_have_value("")
    for name in ("one talk.mp3", "two.mp3"):
        expect(row(page, name)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    for name, why in {
        "page": "leads to a web page",
        "missing": "no file at this address",
        "inside.mkv": "private network",
    }.items():
        expect(row(page, name)).to_contain_text(why, timeout=WAIT_MS)
    page.reload()
    expect(page.locator("li[data-phase]")).to_have_count(5)
    expect(row(page, "one talk.mp3")).to_have_attribute("data-phase", "finished")
    page.set_viewport_size({"width": 320, "height": 700})
    assert barriers(page) == []
    assert overflow(page) <= 0

    # What is no link to a file is no row.
    alert = page.get_by_role("alert")
    for wrong, why in {
        "javascript:alert(1)": "no link to a file",
        "file:///etc/passwd": "no link to a file",
        "data:audio/mpeg;base64,SUQz": "no link to a file",
        "talk.mp4": "no link to a file",
        f"{web}/{'a' * 100_000}.mp4": "too long",
        f"{service.url}/share/abc": "was shared here",
    }.items():
        field.fill(wrong)
        field.press("Enter")
        expect(alert).to_contain_text(why)
        page.get_by_role("button", name="Close").click()
        field.fill("")
    page.evaluate(PASTE, ["a talk about mp4", ""])
    page.evaluate(PASTE, ["http://192.168.0.1/router.mp4", ""])
    expect(row(page, "router.mp4")).to_contain_text("private network")
    page.evaluate(PASTE, ["no video", "pasted.mp4"])
    expect(row(page, "pasted.mp4")).to_have_attribute("data-phase", "failed", timeout=WAIT_MS)
    expect(page.locator("li[data-phase]")).to_have_count(7)


def test_a_link_waits_for_its_options_where_the_user_is_asked(service: Service, page: Page, web: str) -> None:
    """It should say what is unknown, stay so after a reload, and be converted with the chosen options."""
    register(page, service, "links-asked")
    page.get_by_text("More options").click()
    page.get_by_label("Ask before converting").check()
    page.evaluate(PASTE, [f"{web}/talk.mp4", ""])
    expect(row(page, "talk.mp4")).to_have_attribute("data-phase", "ready")
    page.reload()
    asked = row(page, "talk.mp4")
    expect(asked).to_contain_text("Not downloaded yet")
    expect(asked).to_contain_text("its tracks and duration are unknown until then")
    assert page.request.get(f"{service.url}/v1/conversions").json()["items"] == []
    expect(asked).to_contain_text("Cut", timeout=WAIT_MS)  # the options come from the API's description
    asked.locator("summary", has_text="Cut").click()
    asked.get_by_label("Start", exact=True).fill("0:00.5")
    asked.get_by_label("Start", exact=True).blur()
    assert barriers(page) == []
    asked.get_by_role("button", name="Convert", exact=True).click()
    expect(row(page, "talk.mp3")).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    (job,) = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert job["options"]["start_s"] == 0.5


def test_no_link_is_offered_where_the_service_takes_none(service: Service, page: Page) -> None:
    """It should show no field, and leave a pasted link alone."""

    def without_urls(route: Route) -> None:
        answered = route.fetch()
        (facts,) = re.findall('name="video2mp3" content="([^"]*)"', answered.text())
        changed = escape(json.dumps(json.loads(unescape(facts)) | {"takes_urls": False}))
        route.fulfill(response=answered, body=answered.text().replace(facts, changed))

    page.route(f"{service.url}/", without_urls)
    register(page, service, "no-links")
    page.evaluate(PASTE, ["https://example.org/talk.mp4", ""])
    expect(page.get_by_text("Drop videos anywhere")).to_be_visible()
    expect(page.get_by_label("Paste a link to a media file")).to_have_count(0)
    expect(page.locator("li[data-phase]")).to_have_count(0)
