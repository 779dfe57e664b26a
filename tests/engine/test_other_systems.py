"""macOS and small kernels lack parts of Linux; conversions work without them, and what protects less says so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.engine.other_systems import PARTS
from tests.media import make_video

ALONE = [part for part in PARTS if part != "linux"]
TOGETHER = ",".join(PARTS)


def program(parts: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.engine.other_systems", parts, "--", *arguments]


def run(parts: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"VIDEO2MP3_DATA_DIR": str(folder / "data")}
    return subprocess.run(program(parts, *arguments), capture_output=True, text=True, timeout=120, env=env)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("other-systems") / "talk.mp4", 2)


@pytest.fixture(scope="module")
def usual(video: Path) -> bytes:
    """The MP3 that Linux makes of it."""
    mp3 = video.with_name("usual.mp3")
    subprocess.run([sys.executable, "-m", "video2mp3", "convert", video, "-o", mp3], check=True, capture_output=True)
    return mp3.read_bytes()


@pytest.mark.parametrize("parts", [*ALONE, TOGETHER], ids=[*ALONE, "together"])
def test_it_converts_to_the_same_bytes(parts: str, video: Path, usual: bytes, tmp_path: Path) -> None:
    done = run(parts, tmp_path, "convert", str(video), "-o", str(tmp_path / "talk.mp3"))
    assert (done.returncode, (tmp_path / "talk.mp3").read_bytes() == usual) == (0, True), done.stderr


def test_the_doctor_tells_what_does_not_protect(tmp_path: Path) -> None:
    done = run(TOGETHER, tmp_path, "doctor")
    assert (done.returncode, "ok    engine:" in done.stdout) == (0, True), done.stdout + done.stderr
    assert re.search(r"^warn  sandbox: \w+ has no seccomp and no Landlock: media is decoded without", done.stdout, re.M)


def test_it_serves_this_machine(video: Path, usual: bytes, tmp_path: Path) -> None:
    env = os.environ | {"VIDEO2MP3_DATA_DIR": str(tmp_path / "data")}
    command = program(TOGETHER, "serve", "--port", "0")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stdout
            url = next(match[0] for line in process.stdout if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
            mp3 = httpx.put(f"{url}/v1/mp3/talk.mp4", content=video.read_bytes(), timeout=60).raise_for_status().content
        finally:
            process.terminate()
            log = process.communicate()[1]
    assert mp3 == usual
    assert "has no seccomp and no Landlock" in log
