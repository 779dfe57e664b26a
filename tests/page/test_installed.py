"""The installed app: its manifest, what other apps share with it, and a service worker that stores the shell only."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.acceptance.service import Service
from tests.media import corpus_file
from tests.page.axe import barriers
from tests.page.conftest import make_account, register
from tests.page.test_convert import WAIT_MS, drop, row
from video2mp3.api.frame import pages

# As Chromium posts what another app shares.
SHARE = """([text, bytes, action]) => {
  const form = document.createElement("form");
  Object.assign(form, { method: "post", enctype: "multipart/form-data", action: action ?? "share-target" });
  const add = (name, type) => form.appendChild(Object.assign(document.createElement("input"), { name, type }));
  add("title", "text").value = "A talk";
  add("text", "text").value = text;
  const files = new DataTransfer();
  if (bytes) files.items.add(new File([new Uint8Array(bytes)], "shared.mp4", { type: "video/mp4" }));
  add("files", "file").files = files.files;
  document.body.append(form);
  form.submit();
}"""
STORED = """async () => {
  const urls = [];
  for (const name of await caches.keys())
    for (const { url } of await (await caches.open(name)).keys()) urls.push(url);
  return urls;
}"""
ACTIVE = """async () => {
  const { active, scope } = await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller)
    await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve));
  return [active.scriptURL, scope];
}"""
"""Waits for the service worker."""
LAUNCH_QUEUE = """Object.defineProperty(window, "launchQueue", {
  value: { setConsumer: (consumer) => (window.consumer = consumer) },
})"""
LAUNCH = """([name, bytes]) => {
  const file = new File([new Uint8Array(bytes)], name, { type: "video/mp4" });
  window.consumer({ files: [{ getFile: async () => file }] });
}"""


@pytest.fixture
def app(browser: Browser) -> Iterator[Page]:
    """A page whose service worker is allowed."""
    context = browser.new_context(locale="en", service_workers="allow")
    context.add_init_script(LAUNCH_QUEUE)
    yield context.new_page()
    context.close()


def test_the_shell_alone_is_stored_and_opens_offline(service: Service, app: Page) -> None:
    """It should store no answer of the API and no MP3, show a new version at once, and say that nobody answers."""
    app.goto(service.url)
    former = "video2mp3 / of-a-former-version"
    app.evaluate("name => caches.open(name).then((cache) => cache.put('./', new Response('former')))", former)
    register(app, service, "installed")
    assert app.evaluate(ACTIVE) == [f"{service.url}/page/service-worker.js", f"{service.url}/"]
    assert former not in app.evaluate("caches.keys()")
    drop(app, corpus_file("mp4/sample.mp4"))
    expect(row(app)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    app.reload()
    app.get_by_role("link", name="History").click()
    expect(app.get_by_text("sample.mp3")).to_be_visible()
    stored = app.evaluate(STORED)
    assert f"{service.url}/" in stored
    assert [url for url in stored if not url.startswith(f"{service.url}/page/assets/")] == [f"{service.url}/"]
    shell = app.evaluate("async () => (await (await caches.match('./', { ignoreVary: true })).text())")
    assert "installed" not in shell

    app.context.set_offline(True)
    app.reload()
    expect(app.get_by_role("alert")).to_contain_text("The service is unreachable")
    assert barriers(app) == []
    app.context.set_offline(False)  # the page is loaded again by itself
    expect(app.get_by_text("sample.mp3")).to_be_visible(timeout=WAIT_MS)
    # Online the service's page is shown, whatever is stored.
    app.evaluate(
        "async () => { for (const name of await caches.keys()) await (await caches.open(name)).put("
        "'./', new Response('stale', { headers: { 'Content-Type': 'text/html' } })) }"
    )
    app.reload()
    expect(app.get_by_text("sample.mp3")).to_be_visible()


def test_what_is_shared_with_the_app_becomes_rows(service: Service, app: Page) -> None:
    """It should take a file and a link from a share, and files that the system opens with it, in the signed-in tab.

    In a tab it should ask first: another site's form can post the same.
    """
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    app.on("dialog", accept)
    video = list(corpus_file("mp4/sample.mp4").read_bytes())
    app.goto(service.url)
    app.evaluate(ACTIVE)
    with app.expect_navigation(url="**/?received"):
        app.evaluate(SHARE, ["Look at this: http://192.168.0.1/router.mp4", video])
    make_account(app, "shares")
    expect(row(app).filter(has_text="shared.mp3")).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    expect(row(app).filter(has_text="router.mp4")).to_contain_text("private network", timeout=WAIT_MS)
    names = "shared.mp4\nhttp://192.168.0.1/router.mp4"
    assert asked == [f"Another app or web page sends this. Convert it?\n\n{names}"]
    app.evaluate(LAUNCH, ["opened.mp4", video])
    expect(row(app).filter(has_text="opened.mp3")).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    app.evaluate(SHARE, ["only words", None])
    expect(app.get_by_role("alert")).to_contain_text("There is no video in it.")
    expect(row(app)).to_have_count(3)
    assert len(asked) == 1
    app.remove_listener("dialog", accept)
    app.route("http://elsewhere.example/", lambda route: route.fulfill(content_type="text/html", body="<body>"))
    app.goto("http://elsewhere.example/")
    with app.expect_event("dialog", lambda dialog: dialog.dismiss() is None):
        app.evaluate(SHARE, ["http://a.example/planted.mp4", video, f"{service.url}/share-target"])
    assert app.url == f"{service.url}/#/"
    expect(row(app)).to_have_count(3)


def test_the_manifest_is_one_that_browsers_install(service: Service, app: Page) -> None:
    """It should have no errors in Chromium, name a share target and file handlers, and have its icons."""
    app.goto(service.url)
    answer = app.context.new_cdp_session(app).send("Page.getAppManifest")
    assert answer["errors"] == []
    manifest = json.loads(answer["data"])
    assert manifest["share_target"]["action"] == "../share-target"
    for icon in manifest["icons"]:
        assert (pages.FOLDER / "page" / icon["src"]).is_file()
    problems = app.context.new_cdp_session(app).send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [problem["errorId"] for problem in problems if problem["errorId"] != "in-incognito"] == []
