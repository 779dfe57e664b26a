"""How the page looks and how soon: nobody is shut out, nothing is cut off on a phone, and little has to be loaded."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.acceptance.service import PASSWORD, Service, add_administrator, embedded
from tests.engine.converting import make
from tests.media import corpus_file
from tests.page.axe import barriers
from tests.page.conftest import register, wait_for_all_views
from tests.page.first_view import OBSERVED, first_view
from tests.page.test_convert import WAIT_MS, drop, row
from tests.servers import SMTPServer, wait_until

PHONE = {"width": 320, "height": 640}
LANGUAGES = ("de", "en", "es", "fr")
FIRST_VIEW_BYTES = 60_000
VIEWS = (
    *("", "history", "account", "account/security", "account/keys", "account/webhooks", "account/data"),
    *("admin", "admin/conversions", "admin/users", "admin/audit"),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with an administrator."""
    mail_server = SMTPServer()
    mail_server.start()
    with embedded(tmp_path_factory.mktemp("looks"), mail_server) as service:
        add_administrator(service, "root")
        yield service
    mail_server.close()


def sign_in_as_root(page: Page, service: Service) -> None:
    page.goto(service.url)
    page.locator("#username").fill("root")
    page.locator("#password").fill(PASSWORD)
    page.locator("button[type=submit]").first.click()
    page.wait_for_selector("#files", state="attached")


def overflow(page: Page) -> int:
    """How many pixels the page is wider than the screen."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


def test_every_view_is_open_to_all_and_fits_a_phone(service: Service, browser: Browser) -> None:
    """It should be so in four languages, in light and in dark, with all unfolded, 320 pixels wide."""
    context = browser.new_context(locale="de", viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(service.url)
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert page.locator("footer select").first.locator("option").all_text_contents() == [
        "Deutsch", "English", "español", "français",
    ]  # fmt: skip
    look_at(page, "sign-in")
    sign_in_as_root(page, service)
    drop(page, corpus_file("mp4/sample.mp4"), corpus_file("mp4/sample_video_only.mp4"))
    expect(row(page).nth(0)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    expect(row(page).nth(1)).to_have_attribute("data-phase", "failed", timeout=WAIT_MS)
    for view in VIEWS:
        page.goto(f"{service.url}/#/{view}")
        look_at(page, view)
    done = page.request.get(f"{service.url}/v1/conversions?state=finished").json()["items"][0]["id"]
    link = page.request.post(
        f"{service.url}/v1/conversions/{done}/links", data={}, headers={"Origin": service.url}
    ).json()["page_url"]
    for language in LANGUAGES:
        page.evaluate("(language) => localStorage.setItem('video2mp3.language', language)", language)
        page.goto(link)
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert barriers(page) == [], (link, language)
        assert overflow(page) <= 0, (link, language)
    context.close()


def look_at(page: Page, view: str) -> None:
    """The view in all languages."""
    for language in LANGUAGES:
        page.locator("footer select").first.select_option(language)
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("main h1")).to_be_visible()
        expect(page.locator("main .card:visible").first).to_be_visible()
        page.locator("main details:not([open]) > summary").evaluate_all("(all) => all.forEach((each) => each.click())")
        if not view.startswith("admin"):  # which asks again and again
            page.wait_for_load_state("networkidle")
        assert barriers(page) == [], (view, language)
        assert overflow(page) <= 0, (view, language)


def test_the_first_view_is_small(service: Service, browser: Browser) -> None:
    """It should load at most 60 kB of compressed script before its first use, and the rest when the browser is idle."""
    context = browser.new_context(locale="en")
    page = context.new_page()
    told: list[str] = []
    context.on("console", lambda message: told.append(message.text))
    sign_in_as_root(page, service)
    first = first_view(context, service.url)
    print(first)
    assert 10_000 < first.compressed_bytes <= FIRST_VIEW_BYTES
    assert first.compressed_bytes < first.script_bytes / 2
    context.pages[-1].evaluate(OBSERVED, ["resource", "/History-"])
    assert [text for text in told if "Content Security" in text] == []
    context.close()


def test_what_breaks_the_content_security_policy_is_noticed(service: Service, browser: Browser) -> None:
    """It should be blocked and told of: the tests of the page count on it."""
    context = browser.new_context()
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(service.url)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.reached = true\">')")
    page.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), {text: 'window.reached = true'}))"
    )
    wait_until(lambda: page.evaluate("0") or any("Content Security" in text for text in told), 30, "it to be told of")
    assert page.evaluate("window.reached") is None
    context.close()


# -- Hostile names and tags ---------------------------------------------------------------------------

PAYLOADS = (
    "<img src=x onerror=canary()>", "<script>canary()</script>", "<svg onload=canary()>", "\"><b onmouseover=canary()>",
    "{{constructor.constructor('canary()')()}}", "${canary()}", "{@html '<img src=x onerror=canary()>'}",
    "javascript:canary()", "</li></ul><iframe srcdoc='<script>parent.canary()</script>'>",
    "' onfocus=canary() autofocus='",
    "\u202egpj.exe", "a\u0301" * 60, "W" * 200, "&lt;img src=x onerror=canary()&gt;",
    "%3Cscript%3Ecanary()%3C/script%3E",
    "<style>*{display:none}</style>", "<base href=//evil.example>", "<form action=//evil.example><input type=submit>",
    "constructor", "__proto__", "😀" * 40, "\u200b", "../../etc/passwd", "C:\\con.mp4", "<!--", "]]>",
)  # fmt: skip


def test_500_hostile_names_are_shown_as_text(service: Service, browser: Browser) -> None:
    """It should run no script and break no layout, though here nothing but our own code keeps scripts from running."""
    context = browser.new_context(locale="en", bypass_csp=True, viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    reached: list[str] = []
    page.expose_function("canary", lambda *_: reached.append(page.url))
    register(page, service, "hostile")
    wait_for_all_views(page)  # it loads none while it is offline
    context.set_offline(True)
    names = [f"{PAYLOADS[n % len(PAYLOADS)]} {n}.mp4" for n in range(500)]
    page.evaluate(
        """(names) => {
          const transfer = new DataTransfer();
          for (const name of names) transfer.items.add(new File(["x"], name, { type: "video/mp4" }));
          const input = document.querySelector("#files");
          input.files = transfer.files;
          input.dispatchEvent(new Event("change", { bubbles: true }));
        }""",
        names,
    )
    expect(row(page)).to_have_count(500)
    shown = row(page).locator(".name").evaluate_all("(all) => all.map((each) => each.textContent)")
    assert shown == names
    assert overflow(page) <= 0
    assert page.evaluate("document.querySelectorAll('main :is(iframe, script, img, style, base)').length") == 0
    for _ in range(2):
        page.evaluate("new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))")
    assert reached == []
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=canary()>')")
    expect(page.locator("body > img")).to_have_count(1)
    wait_until(lambda: page.evaluate("0") or reached, 30, "the canary to be heard")
    context.close()


def test_hostile_tags_are_shown_as_text(service: Service, browser: Browser, tmp_path: Path) -> None:
    """It should be so with 250 titles of chapters, which become titles of MP3s, in the history."""
    titles = [f"{PAYLOADS[n % len(PAYLOADS)]} {n}" for n in range(250)]
    escaped = [re.sub(r"([=;#\\])", r"\\\1", title) for title in titles]
    chapters = [f"[CHAPTER]\nTIMEBASE=1/1\nSTART={n}\nEND={n + 1}\ntitle={title}\n" for n, title in enumerate(escaped)]
    (tmp_path / "chapters.txt").write_text(";FFMETADATA1\n" + "".join(chapters))
    sound = ("-f", "lavfi", "-i", "sine=duration=250:sample_rate=8000", "-i", str(tmp_path / "chapters.txt"))
    file = make(tmp_path / "tags.mka", *sound, "-map_metadata", "1", "-map_chapters", "1", "-c:a", "flac")
    context = browser.new_context(locale="en", bypass_csp=True, viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    reached: list[str] = []
    page.expose_function("canary", lambda *_: reached.append(page.url))
    register(page, service, "tags")
    payload = FilePayload(
        name="<img src=x onerror=canary()>.mka", mimeType="video/x-matroska", buffer=file.read_bytes()
    )
    form: dict[str, str | float | bool | bytes | FilePayload] = {"split": "chapters", "file": payload}
    made = page.request.post(f"{service.url}/v1/conversions", multipart=form, headers={"Origin": service.url}).json()

    def job() -> dict[str, Any]:
        found: dict[str, Any] = page.request.get(f"{service.url}/v1/conversions/{made['id']}").json()
        return found

    wait_until(lambda: job()["state"] in ("finished", "failed"), 60, "the conversion")
    assert job()["state"] == "finished", job()["error"]
    segments = [segment["title"] or segment["name"] for segment in job()["result"]["segments"]]
    assert len(segments) == 250
    assert sum("canary()" in segment for segment in segments) > 100, "they are as they were in the file"
    page.goto(f"{service.url}/#/history")
    page.get_by_text("250 MP3s").click()
    shown = page.locator("main ol > li .name").evaluate_all("(all) => all.map((each) => each.textContent)")
    assert shown == segments
    assert overflow(page) <= 0
    assert reached == []
    context.close()
