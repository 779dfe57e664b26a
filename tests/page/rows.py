"""Rows that the browser has stored: a long list without hundreds of uploads."""

from collections.abc import Mapping, Sequence
from typing import Any

from playwright.sync_api import Page, expect

STORE = """(rows) => {
  const key = Object.keys(localStorage).find((key) => key.startsWith("video2mp3.queue."));
  localStorage.setItem(key, JSON.stringify(rows));
}"""


def restore_rows(page: Page, conversions: Sequence[Mapping[str, Any]], names: Sequence[str] = ()) -> None:
    """Loads the page again, with a row for each of these conversions of its user; `names`: those of their MP3s."""
    page.wait_for_function("Object.keys(localStorage).some((key) => key.startsWith('video2mp3.queue.'))")
    rows = [
        _row(number, conversion, names[number - 1] if names else None)
        for number, conversion in enumerate(conversions, 1)
    ]
    page.evaluate(STORE, rows)
    page.reload()
    expect(page.locator("li[data-phase]")).to_have_count(len(rows))


def _row(number: int, conversion: Mapping[str, Any], name: str | None) -> dict[str, Any]:
    """web/src/queue/kept.ts, Kept: what was uploaded and has ended."""
    source = conversion["source"]
    return {
        "id": f"row-{number}",
        "name": source["name"],
        "sizeBytes": source["size_bytes"],
        "lastModified": 0,
        "options": {},
        "isHeldBack": False,
        "folder": "",
        "tracks": [],
        "chosenStem": name and name.removesuffix(".mp3"),
        "step": "sent",
        "sender": None,
        "turn": 1,
        "uploadId": source["upload_id"],
        "upload": None,
        "conversionId": conversion["id"],
        "previousId": None,
    }
