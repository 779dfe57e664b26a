"""The queue: how files reach it, who is told of its end, and that nothing of it stays after a sign-out."""

import re
from pathlib import Path

from playwright.sync_api import FilePayload, Page, expect

from tests.acceptance.service import Service
from tests.media import corpus_file, make_video
from tests.page.conftest import register
from tests.page.test_convert import WAIT_MS, drop, open_menu, row, slow_line

PASTE = """() => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(["no video at all"], "Pasted.mp4", { type: "video/mp4" }));
  document.body.dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
}"""

# A notification is only for a reader who looks elsewhere.
NOTIFICATIONS = """
  window.told = [];
  window.Notification = class {
    static permission = sessionStorage.getItem("permission") ?? "default";
    constructor(title) { window.told.push(title); }
  };
  Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
"""

SHARE = "caches.open('video2mp3-received /').then((cache) => cache.put('./share-target', new Response('a video')))"
"""What the service worker does with what another app shares."""
KEPT = """async () => {
  const files = await new Promise((resolve, reject) => {
    const request = indexedDB.open("video2mp3", 1);
    request.onerror = () => reject(request.error);
    request.onupgradeneeded = () => request.result.createObjectStore("files");
    request.onsuccess = () => {
      const count = request.result.transaction("files").objectStore("files").count();
      count.onsuccess = () => { request.result.close(); resolve(count.result); };
    };
  });
  const lists = Object.keys(localStorage).filter((key) => key.startsWith("video2mp3.queue."));
  const root = await navigator.storage.getDirectory();
  const names = [];
  for await (const name of root.keys()) names.push(name);
  return { files, lists: lists.length, names };
}"""


def drop_folder(page: Page, folder: Path) -> None:
    """Drags a folder onto the page, as from a file manager."""
    session = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for step in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": step, "x": 300, "y": 300, "data": dragged})


def test_folders_and_a_pasted_file_reach_the_queue(service: Service, page: Page, tmp_path: Path) -> None:
    """It should take what can be media of a chosen or dropped folder, its folders too, and leave the rest.

    Rows of one name should say which folder their files are from, also after a reload.
    """
    folder = tmp_path / "Talks"
    (folder / "Day 2").mkdir(parents=True)
    for name in ("First.mp4", "Day 2/Second.mp4", "Day 2/First.mp4", "Notes.txt"):
        (folder / name).write_bytes(b"no video at all")
    register(page, service, "folder")
    page.locator("#folder").set_input_files(folder)
    expect(row(page)).to_have_count(3, timeout=WAIT_MS)
    page.evaluate(PASTE)
    expect(row(page)).to_have_count(4, timeout=WAIT_MS)
    again = tmp_path / "Day 2"
    again.mkdir()
    (again / "First.mp4").write_bytes(b"no video either")
    drop_folder(page, again)
    expect(row(page)).to_have_count(5, timeout=WAIT_MS)
    expected = {
        "First.mp4": ["Folder: Day 2", "Folder: Talks", "Folder: Talks/Day 2"],
        "Second.mp4": [],
        "Pasted.mp4": [],
    }
    for _ in range(2):
        assert sorted(row(page).locator(".name").all_inner_texts()) == ["First.mp4"] * 3 + ["Pasted.mp4", "Second.mp4"]
        for name, folders in expected.items():
            shown = row(page).filter(has=page.get_by_text(name, exact=True)).locator(".folder")
            assert sorted(shown.all_inner_texts()) == folders
        page.reload()
        expect(row(page)).to_have_count(5)


def test_the_end_is_told_by_a_notification_only_where_it_was_asked_for(service: Service, page: Page) -> None:
    page.add_init_script(NOTIFICATIONS)
    register(page, service, "notified")
    told = []
    for permission in ("default", "granted"):
        page.evaluate("(permission) => sessionStorage.setItem('permission', permission)", permission)
        page.reload()
        drop(page, corpus_file("mp4/sample.mp4"))
        expect(page).to_have_title(re.compile("^✓ 1 MP3"), timeout=WAIT_MS)
        if permission == "granted":
            page.wait_for_function("window.told.length > 0", timeout=WAIT_MS)
        told.append(page.evaluate("window.told"))
        open_menu(page)
        page.get_by_role("button", name="Remove from the list").click()
        expect(row(page)).to_have_count(0)
    assert told == [[], ["1 MP3 is ready"]]


def test_nothing_of_the_queue_is_kept_after_a_sign_out(service: Service, page: Page, tmp_path: Path) -> None:
    """It should be gone from all that the browser stores, though it was there while the upload was under way."""
    video = make_video(tmp_path / "Secret.mp4", 60)
    register(page, service, "leaving")
    with slow_line(page, 50_000):
        drop(page, FilePayload(name="Secret.mp4", mimeType="video/mp4", buffer=video.read_bytes()))
        expect(row(page)).to_have_text(re.compile(r"Uploading [1-9]\d?%"), timeout=WAIT_MS)
        kept = page.evaluate(KEPT)
        assert (kept["files"], kept["lists"]) == (1, 1)
        page.evaluate(SHARE)
        page.get_by_role("link", name="Account").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible(timeout=WAIT_MS)
    assert page.evaluate(KEPT) == {"files": 0, "lists": 0, "names": []}
    assert page.evaluate("caches.keys()") == []
