"""Choices: for all files and remembered, or for one, with what is in it."""

import io
import json
import re
from pathlib import Path
from typing import Any

import av
import pytest
from mutagen.id3 import ID3
from playwright.sync_api import APIResponse, FilePayload, Locator, Page, Route, expect

from tests.acceptance.service import Service
from tests.engine.converting import make
from tests.media import corpus_file, make_video
from tests.page.axe import barriers
from tests.page.conftest import make_account, register
from tests.servers import wait_until
from video2mp3.api.conversions.option_parsing import OPTIONS_SCHEMA
from video2mp3.engine.presets import PRESETS

SOURCES = Path(__file__).parents[2] / "web" / "src"


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds with the title "A talk"."""
    return make_video(tmp_path_factory.mktemp("talk") / "talk.mp4", 3)


def set_all(page: Page, **options: object) -> None:
    """Chooses the options for all files, as the page stores them."""
    page.evaluate("(options) => localStorage.setItem('video2mp3.preferences', JSON.stringify({ options }))", options)
    page.reload()


def convert(page: Page, *files: Path | FilePayload) -> Locator:
    """Drops files and waits for their MP3s. Returns the rows."""
    rows = page.locator("li[data-phase]")
    before = rows.count()
    page.locator("#files").set_input_files(list(files))  # type: ignore[arg-type]  # either kind, never both
    for number in range(before, before + len(files)):
        expect(rows.nth(number)).to_have_attribute("data-phase", "finished", timeout=60_000)
    return rows


def open_change(row: Locator, *groups: str) -> None:
    """Opens what can be changed about a finished file."""
    row.get_by_role("button", name=re.compile("^More for ")).click()
    row.get_by_role("button", name="Change").click()
    expect(row).to_contain_text("Estimated MP3 size")
    for group in groups:
        row.locator("summary", has_text=group).click()


def newest(page: Page, service: Service) -> dict[str, Any]:
    """The conversion that was requested last."""
    job: dict[str, Any] = page.request.get(f"{service.url}/v1/conversions").json()["items"][0]
    return job


def tags_of(page: Page, service: Service) -> ID3:
    """The tags of the newest MP3."""
    mp3 = page.request.get(f"{service.url}/v1/conversions/{newest(page, service)['id']}/mp3")
    return ID3(io.BytesIO(mp3.body()))  # type: ignore[no-untyped-call]


def pixels_of(picture: bytes, width: int = 2, height: int = 2) -> list[tuple[int, ...]]:
    """The colors of a picture that is scaled to so few pixels."""
    with av.open(io.BytesIO(picture), "r") as container:
        frame = next(container.decode(video=0)).reformat(width, height, "rgb24")
    plane = frame.planes[0]
    rows = [bytes(plane)[y * plane.line_size :][: 3 * width] for y in range(height)]
    return [tuple(row[3 * x : 3 * x + 3]) for row in rows for x in range(width)]


def size_of(picture: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(picture), "r") as container:
        return container.streams.video[0].width, container.streams.video[0].height


def cover_in(page: Page, service: Service) -> bytes:
    """The only picture of the newest MP3."""
    (data,) = pictures_in(page, service)
    return data


def pictures_in(page: Page, service: Service) -> list[bytes]:
    return [frame.data for name, frame in dict(tags_of(page, service)).items() if name.startswith("APIC")]


def color(name: str, size: str, *output: str) -> tuple[str, ...]:
    """Arguments for `make` that draw one color."""
    return ("-f", "lavfi", "-i", f"color={name}:s={size}:d=3:r=10", *output)


def test_every_option_of_the_api_has_a_name_on_the_page() -> None:
    """It should have plain words for each; texts.test.ts compares the languages."""
    texts = json.loads((SOURCES / "texts" / "en.json").read_text())
    assert [name for name in OPTIONS_SCHEMA["properties"] if f"option.{name}" not in texts] == []


def test_the_page_and_the_service_mean_the_same_by_a_preset() -> None:
    """It should have the values of the engine's presets, in the same order."""
    presets = json.loads((SOURCES / "options" / "presets.json").read_text())
    assert list(presets.items()) == [(name, dict(values)) for name, values in PRESETS.items()]


def test_choices_for_all_files_are_remembered(service: Service, page: Page, talk: Path) -> None:
    """It should have one control for the quality, say what a preset decides, and keep what was chosen."""
    register(page, service, "options-all")
    page.get_by_text("More options").click()
    page.get_by_text("Audio", exact=True).click()
    channels = page.get_by_label("Channels")
    expect(channels.locator("option").first).to_have_text("As in the video")
    page.get_by_role("radio", name="Voice").check(force=True)
    expect(channels.locator("option").first).to_have_text("Mono (from Voice)")
    expect(page.get_by_label("Encoding")).to_have_count(0)

    page.get_by_role("radio", name="Custom").check(force=True)
    encoding = page.get_by_label("Encoding")
    expect(encoding).to_have_value("average_kbps")
    expect(page.get_by_label("Bitrate, kbit/s")).to_have_value("48")
    page.get_by_label("Bitrate, kbit/s").fill("1000")
    encoding.focus()
    expect(page.get_by_role("alert")).to_have_text("Enter a number between 8 and 320.")
    expect(channels).to_have_value("1")
    encoding.select_option("Copy the MP3 audio")
    expect(channels).to_have_count(0)
    encoding.select_option("Constant bitrate")
    page.get_by_label("Bitrate", exact=True).select_option("96 kbit/s")
    channels.select_option("Mono")
    page.get_by_label("Fade in").fill("99")
    page.get_by_label("Fade out").fill("0,5")
    page.get_by_label("Fade out").blur()
    expect(page.get_by_role("alert")).to_have_text("Enter a number between 0 and 60.")
    expect(page.locator("summary", has_text="Other")).to_have_count(0)
    page.locator("summary", has_text="Cut").click()
    page.get_by_label("Start", exact=True).fill("2")
    page.get_by_label("End", exact=True).fill("1")
    page.get_by_label("Start", exact=True).focus()
    expect(page.get_by_text("The end has to be later than the start.")).to_be_visible()
    assert barriers(page) == []
    for name in ("Start", "End"):
        page.get_by_label(name, exact=True).fill("")
    page.get_by_label("Track", exact=True).focus()

    page.reload()
    expect(page.get_by_text("2 set")).to_be_visible()
    convert(page, talk)
    assert newest(page, service)["options"] == {"bitrate_kbps": 96, "channels": 1, "fade_out_s": 0.5}


def test_what_will_be_written_is_shown_and_what_is_wrong_is_said(service: Service, page: Page, talk: Path) -> None:
    """It should show the title of the file, refuse texts that are too long, and take a frame that the user sees."""
    register(page, service, "options-tags")
    row = convert(page, talk)
    open_change(row, "Tags", "Cover")
    title = row.get_by_label("Title", exact=True)
    expect(title).to_have_attribute("placeholder", "A talk")
    expect(row.get_by_text("The file's own cover (it has none)")).to_be_visible()
    title.fill("x" * 10_000)
    row.get_by_label("Date").fill("24.11.2026")
    row.get_by_label("Album").focus()
    wrong = row.get_by_role("alert")
    expect(wrong).to_have_count(2)
    expect(row).to_contain_text("At most 300 characters fit; this has 10000.")
    row.locator("summary", has_text="Tags").click()
    row.get_by_role("button", name="Convert again").click()
    expect(row.locator("[aria-invalid='true']:focus")).to_be_visible()
    title.fill("שלום")
    row.get_by_label("Date").fill("2026-11")
    row.get_by_label("Album").focus()
    expect(wrong).to_have_count(0)
    expect(title).to_have_attribute("dir", "auto")

    row.get_by_text("A frame of the video").click()
    place = row.get_by_role("slider", name="Position", exact=True)
    expect(place).to_be_enabled()
    expect(row.get_by_role("img", name="Preview of the cover")).to_be_visible()
    assert barriers(page) == []
    # The browser does not say when the frame is there, so it is drawn after the conversion was asked for.
    page.evaluate("() => { HTMLVideoElement.prototype.requestVideoFrameCallback = () => 0 }")
    place.press("End")
    expect(place).to_have_attribute("aria-valuetext", "0:02.88")
    row.get_by_role("button", name="Convert again").press("Enter")
    expect(row.get_by_role("button", name="Convert again")).to_have_count(0)
    expect(row).to_have_attribute("data-phase", "finished", timeout=60_000)
    tags = tags_of(page, service)
    assert (str(tags["TIT2"]), str(tags["TDRC"])) == ("שלום", "2026")
    assert size_of(cover_in(page, service)) == (128, 72)

    open_change(row, "Tags", "Cover")
    expect(row.get_by_text("The picture that you chose before is used.")).to_be_visible()
    title.fill("")
    title.blur()
    row.get_by_role("button", name="Leave out Title").click()
    expect(row.get_by_role("button", name="Keep Title")).to_be_visible()
    row.get_by_role("button", name="Convert again").click()
    expect(row.get_by_role("button", name="Convert again")).to_have_count(0)
    expect(row).to_have_attribute("data-phase", "finished", timeout=60_000)
    assert "TIT2" not in tags_of(page, service)
    assert size_of(cover_in(page, service)) == (128, 72)


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
    row.get_by_label("Title", exact=True).fill("<b>My title</b>")
    row.get_by_role("button", name="Convert again").click()
    expect(row.get_by_role("button", name="Convert again")).to_have_count(0)
    expect(row.get_by_role("link", name="Download")).to_be_visible(timeout=60_000)
    job = page.request.get(f"{service.url}/v1/conversions").json()["items"][0]
    assert (job["options"]["title"], job["options"]["end_s"]) == ("<b>My title</b>", 7.5)
    assert abs(job["options"]["start_s"] - 2.5) < 0.2


@pytest.fixture(scope="module")
def dubbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with a German and an English track; the second one is a commentary."""
    tones = ("-f", "lavfi", "-i", "sine=300:d=2", "-f", "lavfi", "-i", "sine=900:d=2")
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "mpeg4", "-q:v", "2", "-c:a", "aac", "-ac:a:1", "2")
    names = ("-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=eng", "-metadata:s:a:1", "title=Ada")
    flags = ("-disposition:a:0", "default", "-disposition:a:1", "comment")
    path = tmp_path_factory.mktemp("dubbed") / "film.mkv"
    return make(path, "-f", "lavfi", "-i", "testsrc=s=320x180:d=2", *tones, *maps, *names, *flags)


def test_a_file_with_several_tracks_offers_all_of_them(service: Service, page: Page, dubbed: Path) -> None:
    """It should say which one it takes, take another one during the upload, and afterwards make a further MP3."""
    register(page, service, "options-tracks")
    expect(page.get_by_text("The MP3 has the video's name and main audio track; you can rename it")).to_be_visible()
    expect(page.get_by_text("no other user can see them")).to_be_visible()
    expect(page.get_by_text("Uploads are kept for 24 hours")).to_be_visible()
    page.route("**/v1/uploads/**", lambda route: None if route.request.method == "PATCH" else route.continue_())
    page.locator("#files").set_input_files(dubbed)
    row = page.locator("li[data-phase]")
    expect(row).to_contain_text("2 audio tracks. In this MP3: German, mono.")
    row.get_by_role("button", name="Choose another track").press("Enter")
    expect(row.get_by_role("radio", name="1: German, mono (default)")).to_be_checked()
    expect(row.get_by_role("radio")).to_have_count(4)
    row.get_by_role("radio", name="2: English, “Ada”, commentary, stereo").check()
    assert barriers(page, "light") == []
    row.get_by_role("button", name="Convert", exact=True).click()
    expect(row).to_contain_text("In this MP3: English, “Ada”, commentary, stereo.")
    page.unroute("**/v1/uploads/**")  # which lets go on what is held
    expect(row).to_have_attribute("data-phase", "finished", timeout=60_000)
    jobs = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert [(job["state"], job["options"]["track"]) for job in jobs] == [("finished", 2)]

    page.reload()
    expect(row).to_contain_text("In this MP3: English, “Ada”, commentary, stereo.")
    open_change(row, "Cut")
    expect(row.get_by_label("Track", exact=True)).to_have_value("2")
    row.get_by_role("button", name="Keep as it is").click()
    row.get_by_role("button", name="Convert another track").click()
    row.get_by_role("radio", name="All tracks, mixed into one MP3").check()
    row.get_by_role("button", name="Convert", exact=True).click()
    expect(row).to_have_count(2)
    expect(row.nth(1)).to_have_attribute("data-phase", "finished", timeout=60_000)
    expect(row.nth(1).locator(".name")).to_have_text("film-mix.mp3")
    expect(row.nth(0).locator(".name")).to_have_text("film.mp3")

    page.get_by_role("radio", name="Voice").first.check(force=True)
    expect(page.get_by_text("2 files have another quality.")).to_be_visible()
    page.get_by_role("button", name="Convert 2 again").click()
    expect(page.get_by_text(re.compile("ha(ve|s) another quality"))).to_have_count(0)  # 2 files have, 1 file has
    jobs = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert sorted((job["options"]["preset"], str(job["options"]["track"])) for job in jobs[:2]) == [
        ("voice", "2"),
        ("voice", "mix"),
    ]
    for number in range(2):
        expect(row.nth(number)).to_have_attribute("data-phase", "finished", timeout=60_000)
    page.get_by_role("radio", name="High").first.check(force=True)
    page.get_by_role("button", name="Keep as they are").click()
    expect(page.get_by_text("have another quality")).to_have_count(0)


def test_a_file_is_looked_into_before_it_is_converted(service: Service, page: Page) -> None:
    """It should say that there is no sound before anything is queued, where that was asked for."""
    register(page, service, "options-first")
    page.get_by_text("More options").click()
    page.get_by_label("Ask before converting").check()
    page.locator("#files").set_input_files(corpus_file("mp4/sample_video_only.mp4"))
    expect(page.get_by_text("There is no audio in this video")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Convert", exact=True)).to_be_disabled()
    assert page.request.get(f"{service.url}/v1/conversions").json()["items"] == []


def test_an_own_picture_becomes_the_cover(service: Service, page: Page, talk: Path, tmp_path: Path) -> None:
    """It should take what the browser can draw, scaled down and without what it says besides, and refuse the rest."""
    register(page, service, "options-picture")
    row = convert(page, talk)
    open_change(row, "Cover")
    chooser = row.locator("input[type='file'][accept^='image']")
    with page.expect_request_finished(lambda request: request.url.endswith("/v1/probe")):
        row.get_by_text("A picture of yours").click()
        row.get_by_role("button", name="Convert again").click()
        expect(row.get_by_role("alert")).to_have_text("Choose a picture, or another cover.")
    page.wait_for_timeout(300)
    expect(row.get_by_role("alert"), "what the service thinks of the rest leaves it").to_be_visible()

    svg = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>alert(1)</script></svg>"
    large = make(tmp_path / "large.png", *color("red", "8192x6144", "-frames:v", "1"))
    broken = large.read_bytes()[:200]
    for name, mime_type, content in (("a.svg", "image/svg+xml", svg), ("b.png", "image/png", broken)):
        chooser.set_input_files(FilePayload(name=name, mimeType=mime_type, buffer=content))
        expect(row.get_by_text("This picture cannot be read.")).to_be_visible()
        chooser.set_input_files(make(tmp_path / "fine.png", *color("blue", "20x10", "-frames:v", "1")))
        expect(row.get_by_text("fine.png")).to_be_visible()
        expect(row.get_by_text("This picture cannot be read.")).to_have_count(0)
    moving = make(tmp_path / "moving.gif", "-f", "lavfi", "-i", "testsrc=s=40x30:d=1:r=5")
    chooser.set_input_files(moving)
    expect(row.get_by_text("moving.gif")).to_be_visible()
    chooser.set_input_files(large)
    expect(row.get_by_text("large.png")).to_be_visible()
    row.get_by_role("button", name="Convert again").click()
    expect(row.get_by_role("button", name="Convert again")).to_have_count(0)
    expect(row).to_have_attribute("data-phase", "finished", timeout=60_000)
    cover = cover_in(page, service)
    assert size_of(cover) == (1000, 750)
    assert all(red > 200 > 50 > green + blue for red, green, blue in pixels_of(cover))

    page.get_by_text("More options").click()
    page.locator("summary", has_text="Cover").first.click()
    page.get_by_text("A picture of yours").click()
    page.locator("input[type='file'][accept^='image']").set_input_files(tmp_path / "fine.png")
    expect(page.get_by_text("1 set")).to_be_visible()
    page.reload()
    expect(row).to_have_count(1)
    convert(page, talk)
    assert size_of(cover_in(page, service)) == (20, 10)

    # The next user of the browser has another list, and not this picture.
    page.get_by_role("link", name="Account").click()
    page.get_by_role("button", name="Sign out").first.click()
    make_account(page, "options-picture-next")
    convert(page, talk)
    assert (20, 10) not in [size_of(picture) for picture in pictures_in(page, service)]


def test_a_late_probe_leaves_what_the_conversion_was_refused_for(service: Service, page: Page, talk: Path) -> None:
    """It should still be said when the answer comes that the page asked for before."""
    register(page, service, "options-late")
    row = convert(page, talk)
    open_change(row)
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/v1/probe", lambda route: held.append((route, route.fetch())))
    row.get_by_text("Voice", exact=True).click()
    wait_until(lambda: page.evaluate("1") and held, 60, "the page to have asked")
    (route, answer), *_ = held
    upload_id = (route.request.post_data_json or {})["upload_id"]
    assert page.request.delete(f"{service.url}/v1/uploads/{upload_id}", headers={"Origin": service.url}).ok
    row.get_by_role("button", name="Convert again").click()
    refusal = row.get_by_role("alert")
    expect(refusal).to_contain_text("The file was deleted.")
    with page.expect_request_finished(lambda request: request.url.endswith("/v1/probe")):
        route.fulfill(response=answer)
    page.wait_for_timeout(300)
    expect(refusal).to_be_visible()


def test_a_frame_of_each_video_becomes_its_cover(service: Service, page: Page, tmp_path: Path) -> None:
    """It should be taken by the browser, upright, or by the service of what the browser cannot show."""
    register(page, service, "options-frames")
    set_all(page, cover_at_s=1)
    sound = ("-f", "lavfi", "-i", "sine=duration=3", "-c:a", "aac", "-shortest")
    x264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
    plain = make(tmp_path / "plain.mp4", *color("lime", "320x180"), *sound, *x264)
    turned = make(tmp_path / "turned.mp4", "-i", str(plain), "-c", "copy", "-metadata:s:v", "rotate=90")
    old = make(tmp_path / "old.avi", *color("lime", "320x180"), *sound, "-c:v", "mpeg4")
    hevc = make(
        tmp_path / "hevc.mp4", *color("lime", "320x180"), *sound, "-c:v", "libx265", "-x265-params", "log-level=0"
    )
    alone = make(tmp_path / "alone.m4a", "-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac")
    for file, size in ((plain, (320, 180)), (turned, (180, 320)), (old, (320, 180)), (hevc, (320, 180))):
        row = convert(page, file).last
        cover = cover_in(page, service)
        assert size_of(cover) == size, file.name
        assert all(green > 150 > red + blue for red, green, blue in pixels_of(cover)), file.name
    convert(page, alone)
    assert pictures_in(page, service) == []

    open_change(row, "Cover")
    row.get_by_text("A frame of the video").click()
    expect(row.get_by_text("Your browser cannot show this video, so the service takes the frame.")).to_be_visible()

    set_all(page)
    expect(page.locator("li[data-phase]")).to_have_count(5)
    row = convert(page, hevc).last
    open_change(row, "Cover")
    row.get_by_text("A frame of the video").click()
    expect(row.get_by_text("Your browser cannot show this video. Choose a picture of yours instead")).to_be_visible()
    row.get_by_role("button", name="Convert again").click()
    expect(row.get_by_text("Choose a picture, or another cover.")).to_be_visible()

    dark = ("-f", "lavfi", "-i", "color=black:s=320x180:d=1:r=10,tpad=stop_mode=add:stop_duration=2:color=lime")
    late = make(tmp_path / "late.webm", *dark, "-c:v", "libvpx", "-f", "webm", "-map", "0:v")
    sounding = make(tmp_path / "sounding.webm", "-i", str(late), *sound[:4], "-c:v", "copy", "-c:a", "libopus")
    row = convert(page, sounding).last
    open_change(row, "Cover")
    row.get_by_text("A frame of the video").click()
    expect(row.get_by_role("slider", name="Position", exact=True)).to_have_attribute("aria-valuetext", "0:01.45")
