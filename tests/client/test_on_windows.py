"""On Windows, what sends files to a service works, and the rest names the ways that do."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.conftest import Served
from tests.media import make_video


def run(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.client.on_windows", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **more)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["push", "--help"]])
def test_it_explains_itself(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(("Usage: ", "video2mp3 "))


@pytest.mark.parametrize("command", ["convert", "serve"])
def test_it_names_the_ways_that_work(command: str) -> None:
    done = run(command, "talk.mp4")
    assert done.returncode == 1
    assert done.stderr == (
        f"video2mp3: `{command}` does not run on Windows. Run it in WSL 2 or in Docker (docs/install.md); "
        "`push` and the Python client run here.\n"
    )


def test_it_sends_a_file(served: Served, tmp_path: Path) -> None:
    video = make_video(tmp_path / "talk.mp4", 1)
    done = run("push", str(video), "--server", served.url, env=served.env | {"XDG_STATE_HOME": str(tmp_path / "state")})
    assert done.returncode == 0, done.stderr
    assert video.with_suffix(".mp3").read_bytes()[:3] == b"ID3"
