"""Trimming: a section by numbers, handles and drags; the waveform; chapters; and a split that shows its cuts first."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutagen.id3 import ID3
from playwright.sync_api import Browser, Locator, Page, Response, Route, expect

from tests.acceptance.service import Service
from tests.engine.converting import make
from tests.page.axe import barriers
from tests.page.conftest import make_account
from tests.page.test_convert import WAIT_MS, audio, drop, open_menu, row
from tests.servers import wait_until

NASTY = "<img src=x onerror=alert(1)> 🐝\nתקציר" + "x" * 1000
CHAPTERS = ";FFMETADATA1\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}\n"
    for start, end, title in [(0, 1500, "Hello"), (1500, 4000, "Questions")]
)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds with two chapters, and pauses from 0.9 to 1.6 s and from 2.5 to 3.1 s."""
    folder = tmp_path_factory.mktemp("talk")
    (folder / "chapters.txt").write_text(CHAPTERS)
    loud = "0.4*sin(2500*t)*(lt(t,0.9)+between(t,1.6,2.5)+gt(t,3.1))"
    inputs = ["-f", "lavfi", "-i", f"aevalsrc='{loud}':s=44100:d=4", "-i", str(folder / "chapters.txt")]
    return make(folder / "talk.m4a", *inputs, "-map", "0", "-map_metadata", "1", "-c:a", "aac")


@pytest.fixture(scope="module")
def account(service: Service, browser: Browser) -> str:
    """Where a browser that is signed in keeps it."""
    context = browser.new_context(locale="en")
    page = context.new_page()
    page.goto(service.url)
    make_account(page, "trimming")
    state = json.dumps(context.storage_state())
    context.close()
    return state


@pytest.fixture
def page(browser: Browser, service: Service, account: str) -> Iterator[Page]:
    """A signed-in page with the talk's trimming open, 500 pixels wide, which can be touched."""
    state = json.loads(account)
    context = browser.new_context(
        locale="en", storage_state=state, viewport={"width": 500, "height": 900}, has_touch=True
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    page.goto(service.url)
    yield page
    context.close()
    assert complaints == []


def open_trimming(page: Page, talk: Path) -> None:
    drop(page, talk)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    open_menu(page)
    page.get_by_role("button", name="Change").click()
    expect(handle(page, "Start")).to_be_visible()


def handle(page: Page, which: str) -> Locator:
    return page.get_by_role("slider", name=f"{which} of the section")


def field(page: Page, name: str) -> Locator:
    return page.get_by_role("textbox", name=name, exact=True)


def enter(page: Page, name: str, text: str) -> None:
    field(page, name).fill(text)
    field(page, name).blur()


def expect_section(page: Page, start: str, end: str, length: str) -> None:
    for name, time in (("Start", start), ("End", end), ("Length", length)):
        expect(field(page, name)).to_have_value(time)
    for name, time in (("Start", start), ("End", end)):
        expect(handle(page, name)).to_have_attribute("aria-valuetext", time)


def is_preview_with(option: str, response: Response) -> bool:
    return response.url.endswith("/split-preview") and option in (response.request.post_data or "")


def last_job(page: Page, service: Service) -> dict[str, object]:
    job: dict[str, object] = page.request.get(f"{service.url}/v1/conversions").json()["items"][0]
    return job


def test_a_section_is_typed_moved_and_dragged(service: Service, page: Page, talk: Path) -> None:
    """It should keep numbers and handles in step, say in words what is wrong, and play the section alone."""
    open_trimming(page, talk)
    expect_section(page, "0:00", "0:04", "0:04")

    enter(page, "Start", "1.5")
    expect_section(page, "0:01.5", "0:04", "0:02.5")
    enter(page, "Length", "0:00:01,25")
    expect_section(page, "0:01.5", "0:02.75", "0:01.25")
    again = page.get_by_role("button", name="Convert again")
    for name, text, words in [
        ("End", "1s", "The end has to come after the start."),
        ("End", "1:00", "The file ends at 0:04."),
        ("Start", "0:60", "Enter a time as 90, 1:30 or 1:02:03.5."),
        ("Length", "١٢ 🐝<b>", "Enter a time as 90, 1:30 or 1:02:03.5."),
    ]:
        enter(page, name, text)
        expect(page.get_by_role("alert")).to_have_text(words)
        expect(field(page, name)).to_have_value(text)
        expect(field(page, name)).to_have_attribute("aria-invalid", "true")
        expect(again).to_be_disabled()
        # A handle that moves replaces what was typed.
        handle(page, "Start").press("Control+ArrowRight")
        expect(page.get_by_role("alert")).to_have_count(0)
        handle(page, "Start").press("Control+ArrowLeft")
        expect_section(page, "0:01.5", "0:02.75", "0:01.25")
    expect(again).to_be_enabled()
    field(page, "End").press("Shift+ArrowUp")
    expect_section(page, "0:01.5", "0:04", "0:02.5")

    for keys, start in [("ArrowLeft", "0:00.5"), ("Alt+ArrowRight", "0:00.6"), ("End", "0:03.9"), ("Home", "0:00")]:
        handle(page, "Start").press(keys)
        expect(handle(page, "Start")).to_have_attribute("aria-valuetext", start)
    handle(page, "End").press("Shift+ArrowLeft")
    expect_section(page, "0:00", "0:00.1", "0:00.1")
    page.get_by_role("button", name="Keep everything").click()
    expect_section(page, "0:00", "0:04", "0:04")

    wave = page.get_by_role("slider", name="Position in talk.m4a")
    box = wave.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.25 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], middle, steps=4)
    page.mouse.up()
    expect(field(page, "Length")).to_have_value(re.compile(r"^0:(00\.99|01)"))
    # The same by a finger, on a handle.
    end = handle(page, "End").bounding_box()
    assert end is not None
    finger = page.context.new_cdp_session(page)
    for kind, x in [("Start", 8.0), ("Move", 40.0), ("Move", 300.0), ("End", None)]:
        points = [] if x is None else [{"x": end["x"] + x, "y": middle}]
        finger.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    expect(field(page, "End")).to_have_value("0:04")

    enter(page, "End", "1.7")
    page.get_by_role("button", name="Play section").click()
    wait_until(lambda: audio(page, "currentTime") >= 1.7 and audio(page, "paused"), 20, "the section to have played")
    assert audio(page, "currentTime") < 3
    assert barriers(page) == []

    again.click()
    expect(again).to_have_count(0)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    options = last_job(page, service)["options"]
    assert isinstance(options, dict)
    assert (round(options["start_s"], 1), options["end_s"]) == (1.0, 1.7)


def test_a_waveform_never_looks_like_silence(page: Page, talk: Path) -> None:
    """It should say that it loads, say that it failed, and try again."""
    held: list[Route] = []
    page.route("**/waveform", lambda route: held.append(route))
    drop(page, talk)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    place = page.get_by_role("slider", name="Position in talk.mp3")
    expect(place).to_contain_text("Loading the waveform")
    expect(place.locator("path")).to_have_count(0)
    wait_until(lambda: bool(held), 20, "the waveform to be asked for")
    held.pop().abort()
    expect(page.get_by_text("The waveform could not be loaded")).to_be_visible()
    page.unroute("**/waveform")
    page.get_by_role("button", name="Try again").click()
    expect(place.locator("path").first).to_be_visible()


def test_chapters_are_added_named_moved_and_removed(service: Service, page: Page, talk: Path, tmp_path: Path) -> None:
    """It should start with the file's, write what was made of them, and split by them."""
    open_trimming(page, talk)
    expect(page.get_by_role("textbox", name="Name of chapter")).to_have_count(2)
    expect(page.get_by_label("Name of chapter 2")).to_have_value("Questions")

    page.get_by_role("slider", name="Position in talk.m4a").press("End")
    page.get_by_role("slider", name="Position in talk.m4a").press("PageDown")
    page.get_by_role("button", name="Add a chapter at 0:04").click()
    expect(page.get_by_label("Name of chapter 3")).to_be_focused()
    page.get_by_label("Name of chapter 3").fill(NASTY)
    page.get_by_label("Name of chapter 3").blur()
    enter(page, "Start of chapter 3", "1.5")
    expect(page.get_by_text("Two chapters start at the same time.")).to_be_visible()
    expect(page.get_by_role("button", name="Convert again")).to_be_disabled()
    enter(page, "Start of chapter 3", "9")
    expect(page.get_by_text("The chapter starts after the end of the file.")).to_be_visible()
    enter(page, "Start of chapter 3", "0:00.5")
    expect(page.get_by_label("Name of chapter 2")).to_have_value(re.compile("^<img"))
    page.get_by_role("button", name="Remove chapter 1").click()
    expect(page.get_by_role("textbox", name="Name of chapter")).to_have_count(2)
    page.get_by_label("Split into several MP3s").select_option("By chapter")
    expect(page.get_by_text("This makes 3 MP3s:")).to_be_visible()
    page.get_by_label("Split into several MP3s").select_option("No")
    assert barriers(page) == []

    page.get_by_role("button", name="Convert again").click()
    expect(page.get_by_role("button", name="Convert again")).to_have_count(0)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    job = last_job(page, service)
    (tmp_path / "a.mp3").write_bytes(page.request.get(f"{service.url}/v1/conversions/{job['id']}/mp3").body())
    frames = ID3(tmp_path / "a.mp3").getall("CHAP")  # type: ignore[no-untyped-call]
    assert [(frame.start_time, frame.end_time) for frame in frames] == [(500, 1500), (1500, 4000)]
    assert str(frames[0].sub_frames["TIT2"]).startswith("<img src=x onerror=alert(1)> 🐝 תקציר")


def test_a_split_shows_its_cuts_before_it_converts(service: Service, page: Page, talk: Path) -> None:
    """It should follow threshold and length, and make exactly the parts that it has shown."""
    open_trimming(page, talk)
    page.get_by_label("Split into several MP3s").select_option("At silences")
    expect(page.get_by_text("No cut: this makes one MP3.")).to_be_visible()
    page.get_by_label("Minimum silence, seconds").fill("0.4")
    expect(page.get_by_text("This makes 3 MP3s:")).to_be_visible()
    expect(page.locator(".cut")).to_have_count(2)
    page.get_by_label("Minimum silence, seconds").fill("0.65")
    expect(page.get_by_text("This makes 2 MP3s:")).to_be_visible()
    page.get_by_label("Minimum silence, seconds").fill("0.4")
    threshold = page.get_by_role("slider", name=re.compile("Quieter than"))
    threshold.press("Home")  # the lowest that there is
    expect(threshold).to_have_value("-96")
    threshold.fill("-5")  # the highest that there is, -10 dB
    threshold.fill("-40")
    expect(page.get_by_text("This makes 3 MP3s:")).to_be_visible()
    enter(page, "Start", "0.25")
    with page.expect_response(lambda response: is_preview_with("end_s", response)) as answer:
        enter(page, "End", "3.75")
    planned = answer.value.json()["segments"]
    expect(page.locator(".plan li")).to_have_count(len(planned))
    assert barriers(page) == []

    page.get_by_role("button", name="Convert again").click()
    expect(page.get_by_role("button", name="Convert again")).to_have_count(0)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
    result = last_job(page, service)["result"]
    assert isinstance(result, dict)
    assert [(part["start_s"], part["duration_s"]) for part in result["segments"]] == [
        (part["start_s"], part["duration_s"]) for part in planned
    ]


def test_what_is_gone_says_so_before_anything_is_changed(service: Service, page: Page, talk: Path) -> None:
    """It should say so if the upload is deleted before the user opens the trimming, or while the user trims."""
    open_trimming(page, talk)
    upload_id = last_job(page, service)["source"]["upload_id"]  # type: ignore[index]
    assert page.evaluate(f"fetch('v1/uploads/{upload_id}', {{method: 'DELETE'}}).then(({{ status }}) => status)") == 204
    page.get_by_label("Split into several MP3s").select_option("At silences")
    expect(page.get_by_text("The file was deleted. Drop it again.")).to_be_visible()
    page.get_by_role("button", name="Keep as it is").click()
    open_menu(page)
    page.get_by_role("button", name="Change").click()
    expect(page.get_by_text("The file was deleted. Drop it again.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Start")).to_have_count(0)
    expect(page.get_by_role("button", name="Convert again")).to_be_disabled()
