"""`video2mp3 push`, as its users meet it."""

import hashlib
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.preloaded import run_text
from tests.chaos.proxy import Proxy
from tests.client.conftest import Served
from tests.engine.converting import make
from tests.media import make_video, samples_by_ffmpeg
from tests.servers import wait_until
from tests.worker.system import make_wav

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "video2mp3", "push"]


def push(served: Served, folder: Path, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    env = served.env | {"XDG_STATE_HOME": str(folder / "state")}
    return run_text(["push", *arguments, "--server", served.url], env, folder, stdin)


def remembered(folder: Path) -> list[Path]:
    return list((folder / "state").rglob("*.json"))


def newest(served: Served) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = httpx.get(f"{served.url}/v1/conversions").raise_for_status().json()["items"]
    return items


def test_files_become_mp3s_beside_them(served: Served, tmp_path: Path) -> None:
    """It should go on where one fails, not overwrite what is there, and remember nothing of what is done."""
    make_video(tmp_path / "talk.mp4", 3)
    (tmp_path / "letter.mp4").write_bytes(b"This is a letter, not a video." * 100)
    (tmp_path / "there.wav").write_bytes(make_wav(0.5))
    (tmp_path / "there.mp3").write_bytes(b"mine")
    result = push(served, tmp_path, "letter.mp4", "there.wav", "nowhere.mp4", "talk.mp4", "--bitrate", "128")
    assert result.returncode == 1
    assert re.fullmatch(r"talk\.mp4 -> talk\.mp3 \(.+\)\n", result.stdout)
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == ["there.wav", "nowhere.mp4", "letter.mp4"]
    assert samples_by_ffmpeg(tmp_path / "talk.mp3") == 3 * 48_000
    assert (tmp_path / "there.mp3").read_bytes() == b"mine"
    assert newest(served)[0]["options"] == {"bitrate_kbps": 128}
    assert remembered(tmp_path) == []


def test_parts_come_as_a_zip_where_they_are_wanted(served: Served, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(make_wav(2.5))
    result = push(served, tmp_path, "talk.wav", "--split", "1", "-o", "out/")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "talk.zip").read_bytes()[:2] == b"PK"


def test_a_picture_for_the_cover_is_sent_once(served: Served, tmp_path: Path) -> None:
    """It should be one upload for all files."""
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(make_wav(0.5))
    make(tmp_path / "cover.jpg", "-f", "lavfi", "-i", "testsrc=size=64x64", "-frames:v", "1")
    result = push(served, tmp_path, "a.wav", "b.wav", "--cover-file", "cover.jpg")
    assert result.returncode == 0, result.stderr
    assert b"APIC" in (tmp_path / "a.mp3").read_bytes()[:4000]
    assert len({job["cover_upload_id"] for job in newest(served)[:2]} - {None}) == 1


def test_after_ctrl_c_the_same_command_goes_on(served: Served, line: Proxy, tmp_path: Path) -> None:
    """It should send the rest only, and order one conversion; after a second one too, while it is converted."""
    content = make_wav(250)
    (tmp_path / "talk.wav").write_bytes(content)
    # So slow that it cannot be whole before it is interrupted.
    line.throttle(4_000_000)
    env = served.env | {"XDG_STATE_HOME": str(tmp_path / "state")}
    command = [*COMMAND, "talk.wav", "--server", f"http://127.0.0.1:{line.port}"]
    before = len(newest(served))

    def interrupt() -> None:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130

    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE)
    wait_until(lambda: remembered(tmp_path), 30, "the upload")
    address = re.findall(r"/v1/uploads/\w+", remembered(tmp_path)[0].read_text())[0]

    def arrived() -> int:
        return int(httpx.get(served.url + address).json()["received_bytes"])

    wait_until(lambda: arrived() >= 8 * 1024**2, 30, "a chunk")
    interrupt()
    assert 0 < arrived() < len(content)
    line.heal()
    # So slow that it cannot have the MP3 before it is interrupted.
    line.throttle(5_000, "to_client")
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE)
    wait_until(lambda: len(newest(served)) > before, 60, "the conversion")
    interrupt()
    line.heal()
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    done, *others = newest(served)
    assert len(others) == before
    assert done["source"]["upload_id"] == address.rpartition("/")[2]
    assert hashlib.sha256((tmp_path / "talk.mp3").read_bytes()).hexdigest() == done["result"]["sha256"]
    assert remembered(tmp_path) == []


def test_an_account_is_signed_in_to(served: Served, tmp_path: Path) -> None:
    httpx.post(f"{served.url}/v1/accounts", json={"username": "eva", "password": "correct horse"}).raise_for_status()
    (tmp_path / "talk.wav").write_bytes(make_wav(0.5))
    before = len(newest(served))
    wrong = push(served, tmp_path, "talk.wav", "--user", "eva", "--password-stdin", stdin="battery staple\n")
    assert (wrong.returncode, wrong.stderr) == (1, "video2mp3: Invalid credentials\n")
    right = push(served, tmp_path, "talk.wav", "--user", "eva", "--password-stdin", stdin="correct horse\n")
    assert right.returncode == 0, right.stderr
    # It is hers, not the machine's own user's.
    assert len(newest(served)) == before


@pytest.mark.parametrize("kind", ["sh", "python"])
def test_the_examples_in_the_docs_do_what_they_say(kind: str, served: Served, tmp_path: Path) -> None:
    """It should run each as it stands there."""
    text = (ROOT / "docs" / "client.md").read_text()
    (example,) = re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert "http://localhost:8000" in example
    example = example.replace("http://localhost:8000", served.url)
    make_video(tmp_path / "talk.mp4", 3)
    if kind == "sh":
        program = ["bash", "-euc", example.replace("video2mp3", shlex.join([sys.executable, "-m", "video2mp3"]), 1)]
    else:
        program = [sys.executable, "-c", example]
    env = served.env | {"XDG_STATE_HOME": str(tmp_path / "state")}
    result = subprocess.run(program, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    mp3 = tmp_path / ("talk.mp3" if kind == "sh" else "talk-128.mp3")
    assert samples_by_ffmpeg(mp3) == 3 * 48_000


def test_a_folder_is_pushed_again_without_errors_and_warnings_are_printed(served: Served, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "cut.wav").write_bytes(make_wav(0.5)[:-9000])
    first = push(served, tmp_path, "inbox")
    assert first.returncode == 0
    assert "inbox/cut.wav: warning: The file ends too early" in first.stderr
    again = push(served, tmp_path, "inbox")
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr == "video2mp3: 1 of 1 files of folders are skipped: their MP3s exist\n"
