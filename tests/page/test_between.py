"""What comes between a video and its MP3: only the sound travels, many files, reloads, restarts, other users."""

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.acceptance.service import Service
from tests.engine.converting import converted, make
from tests.media import corpus_file, make_video
from tests.page.conftest import make_account, register, wait_for_all_views
from tests.page.progress import held, start_again
from tests.page.test_convert import WAIT_MS, drop, row, slow_line
from tests.servers import require_program, wait_until


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of a minute."""
    return make_video(tmp_path_factory.mktemp("talk") / "Talk.mp4", 60)


def sound_bytes(path: Path) -> int:
    """The packets of the first track of sound, without anything around them."""
    command = [require_program("ffprobe"), "-v", "error", "-select_streams", "a:0", "-show_entries", "packet=size"]
    sizes = subprocess.run([*command, "-of", "csv=p=0", str(path)], check=True, capture_output=True, text=True).stdout
    return sum(int(size.strip(",")) for size in sizes.split())


@contextmanager
def counting_relay(port: int) -> Iterator[tuple[int, list[int]]]:
    """Passes connections on to a server of this machine; its own port, and how many bytes went to it."""
    sent: list[int] = []

    def pump(source: socket.socket, target: socket.socket, counts: list[int]) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                counts.append(len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as server:
                back = threading.Thread(target=pump, args=(server, self.request, []))
                back.start()
                pump(self.request, server, sent)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as relay:
        relay.daemon_threads = True
        relay.block_on_close = False
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield relay.server_address[1], sent
        relay.shutdown()


def test_of_a_video_of_200_mb_hardly_more_than_its_sound_travels(service: Service, page: Page, tmp_path: Path) -> None:
    """It should be at most 1.05 times the packets of the sound, all that goes over the line counted."""
    video = (
        "-f",
        "lavfi",
        "-i",
        "nullsrc=s=480x270:r=25,geq=random(1)*255:128:128",
        "-frames:v",
        "25",
        "-c:v",
        "mjpeg",
    )
    picture = make(tmp_path / "picture.mkv", *video)
    seconds = str(200e6 / picture.stat().st_size)
    repeated = ("-stream_loop", "-1", "-i", str(picture), "-f", "lavfi", "-i", "anoisesrc=color=pink:seed=1")
    whole = make(tmp_path / "Large.mp4", *repeated, "-t", seconds, "-c:v", "copy", "-c:a", "aac")
    assert whole.stat().st_size > 195e6
    with counting_relay(int(service.url.rsplit(":", 1)[1])) as (port, sent):
        page.goto(f"http://127.0.0.1:{port}")
        make_account(page, "large")
        wait_for_all_views(page)
        before = sum(sent)
        drop(page, whole)
        expect(row(page)).to_have_attribute("data-phase", "finished", timeout=WAIT_MS)
        expect(row(page)).to_contain_text(re.compile(r"Only the audio was uploaded: 9\d% less"))
        wire = sum(sent) - before
    sound = sound_bytes(whole)
    print(f"{whole.stat().st_size} bytes, {sound} of sound, {wire} on the wire")
    assert sound < wire <= 1.05 * sound


def test_the_mp3_is_the_same_whatever_travelled(service: Service, page: Page, tmp_path: Path) -> None:
    """It should have the bytes of the whole file's MP3, for each container; switched off, the whole file goes."""
    source = make_video(tmp_path / "source.mkv", 5, audio=("-c:a", "flac"))
    picture = ("-map", "0", "-c:v", "mpeg4", "-q:v", "2")
    small = ("-map", "0", "-c:v", "libvpx", "-deadline", "realtime", "-b:v", "2M")
    files = [
        make(tmp_path / "a.mp4", "-i", str(source), *picture, "-c:a", "aac"),
        make(tmp_path / "b.mov", "-i", str(source), *picture, "-c:a", "aac"),
        make(tmp_path / "c.mkv", "-i", str(source), *picture, "-c:a", "libopus"),
        make(tmp_path / "d.webm", "-i", str(source), *small, "-c:a", "libopus"),
    ]
    register(page, service, "same")
    for is_on in (True, False):
        page.evaluate(
            "(soundOnly) => localStorage.setItem('video2mp3.preferences', JSON.stringify({ soundOnly }))", is_on
        )
        page.reload()
        drop(page, *files)
        expect(page.get_by_role("heading", name="4 MP3s are ready")).to_be_visible(timeout=WAIT_MS)
        jobs = {
            job["source"]["name"]: job
            for job in page.request.get(f"{service.url}/v1/conversions?limit=4").json()["items"]
        }
        for file in files:
            job, size = jobs[file.name], file.stat().st_size
            assert (job["source"]["size_bytes"] < 0.9 * size) is is_on
            mp3 = page.request.get(service.url + job["links"]["mp3"]).body()
            converted(file, tmp_path / "expected.mp3", preset="standard")
            assert mp3 == (tmp_path / "expected.mp3").read_bytes(), file.name
        page.get_by_role("button", name="Clear finished").click()


def test_twenty_files_at_once(service: Service, page: Page, tmp_path: Path) -> None:
    video = make_video(tmp_path / "1.mp4", 2).read_bytes()
    register(page, service, "twenty")
    drop(page, *[FilePayload(name=f"Talk {n:02}.mp4", mimeType="video/mp4", buffer=video) for n in range(1, 21)])
    expect(page.get_by_role("heading", name="20 MP3s are ready")).to_be_visible(timeout=2 * WAIT_MS)
    expect(row(page).locator(".name")).to_have_text([f"Talk {n:02}.mp3" for n in range(1, 21)])
    expect(page).to_have_title(re.compile("20 MP3s"))


def test_a_conversion_goes_on_while_the_page_is_loaded_again(service: Service, page: Page, long_file: Path) -> None:
    """It should show how far it is before and after, and end."""
    register(page, service, "reload")
    with held(service):
        drop(page, long_file)
        expect(row(page)).to_have_text(re.compile(r"Converting [1-9]\d?%.*playback speed", re.DOTALL), timeout=WAIT_MS)
        page.reload()
        expect(row(page)).to_have_text(re.compile(r"Converting [1-9]\d?%"), timeout=WAIT_MS)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=2 * WAIT_MS)
    jobs = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert len(jobs) == 1


def test_an_upload_and_its_conversion_survive_a_restart_of_the_service(
    service: Service, page: Page, talk: Path
) -> None:
    """It should go on where it was, with nothing pressed, and end as one whole MP3."""
    register(page, service, "restart")
    with slow_line(page, 130_000):
        drop(page, talk)
        expect(row(page)).to_have_text(re.compile(r"Uploading [1-9]\d?%"), timeout=WAIT_MS)
        service.roles["serve"].stop()
        start_again(service)
    expect(row(page)).to_have_attribute("data-phase", "finished", timeout=2 * WAIT_MS)
    jobs = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert [job["result"]["duration_s"] for job in jobs] == [60.0]


def test_a_second_user_sees_nothing_of_the_first(service: Service, page: Page) -> None:
    """It should be so in the same browser, after a sign-out; what is broken is explained."""
    register(page, service, "first")
    drop(page, FilePayload(name="Broken.mp4", mimeType="video/mp4", buffer=b"not a video at all" * 1000))
    drop(page, corpus_file("mp4/sample_video_only.mp4"))
    expect(row(page).first).to_contain_text("This is a text file. Check that", timeout=WAIT_MS)
    expect(row(page).nth(1)).to_contain_text("This video has no audio", timeout=WAIT_MS)
    jobs = page.request.get(f"{service.url}/v1/conversions").json()["items"]
    assert len(jobs) == 2
    page.get_by_role("link", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    wait_until(lambda: page.context.cookies() == [], 10, "the cookie to be gone")

    page.goto(service.url)
    make_account(page, "second")
    expect(row(page)).to_have_count(0)
    assert "Broken.mp4" not in page.evaluate("JSON.stringify({ ...localStorage })")
    assert page.request.get(f"{service.url}/v1/conversions").json()["items"] == []
    assert page.request.get(f"{service.url}/v1/conversions/{jobs[0]['id']}").status == 404
