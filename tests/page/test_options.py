"""Choices: for all files and remembered, or for one, with what is in it."""

import json
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.acceptance.service import Service
from tests.media import corpus_file, make_video
from tests.page.conftest import register
from video2mp3.api.conversions.option_parsing import OPTIONS_SCHEMA

TEXTS = Path(__file__).parents[2] / "web" / "src" / "texts"


def test_every_option_of_the_api_has_a_name_on_the_page() -> None:
    """It should have plain words for each; texts.test.ts compares the languages."""
    texts = json.loads((TEXTS / "en.json").read_text())
    assert [name for name in OPTIONS_SCHEMA["properties"] if f"option.{name}" not in texts] == []


def test_choices_for_all_files_are_remembered(service: Service, page: Page, tmp_path: Path) -> None:
    register(page, service, "options-all")
    page.get_by_text("More options").click()
    page.get_by_text("Audio", exact=True).click()
    page.get_by_label("Channels").select_option("Mono")
    page.reload()
    expect(page.get_by_text("1 set")).to_be_visible()
    page.locator("#files").set_input_files(make_video(tmp_path / "talk.mp4", 2))
    expect(page.locator("li[data-phase='finished']")).to_be_visible(timeout=60_000)
    (job,) = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert job["options"] == {"preset": "standard", "channels": 1}


def test_what_is_ready_is_cut_and_named_anew(service: Service, page: Page, tmp_path: Path) -> None:
    """It should tell what is in the file, take a part by dragging or typing, and convert the same upload again."""
    register(page, service, "options-one")
    page.locator("#files").set_input_files(make_video(tmp_path / "talk.mp4", 10))
    row = page.locator("li[data-phase]")
    expect(row).to_have_attribute("data-phase", "finished", timeout=60_000)
    row.get_by_role("button", name="More for talk.mp3").click()
    row.get_by_role("button", name="Change").click()
    expect(row).to_contain_text(re.compile(r"Duration\s*0:10"))
    wave = row.get_by_role("slider", name="Position in talk.mp4")
    expect(wave.locator("path").first).to_be_visible(timeout=30_000)
    wave.scroll_into_view_if_needed()
    box = wave.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 20, steps=8)
    page.mouse.up()
    expect(row.get_by_label("Start", exact=True)).to_have_value(re.compile(r"0:02"))
    row.get_by_label("End", exact=True).fill("0:07,5")
    row.get_by_label("End", exact=True).blur()
    row.locator("summary", has_text="Tags").click()
    row.get_by_label("Title").fill("<b>My title</b>")
    row.get_by_role("button", name="Convert again").click()
    expect(row.get_by_role("button", name="Convert again")).to_have_count(0)
    expect(row.get_by_role("link", name="Download")).to_be_visible(timeout=60_000)
    job = page.request.get(f"{service.url}/v1/conversions").json()["items"][0]
    assert (job["options"]["title"], job["options"]["end_s"]) == ("<b>My title</b>", 7.5)
    assert abs(job["options"]["start_s"] - 2.5) < 0.2


def test_a_file_is_looked_into_before_it_is_converted(service: Service, page: Page) -> None:
    """It should say that there is no sound before anything is queued, where that was asked for."""
    register(page, service, "options-first")
    page.get_by_text("More options").click()
    page.get_by_label("Ask before converting").check()
    page.locator("#files").set_input_files(corpus_file("mp4/sample_video_only.mp4"))
    expect(page.get_by_text("There is no audio in this video")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Convert", exact=True)).to_be_disabled()
    assert page.request.get(f"{service.url}/v1/conversions").json()["items"] == []
