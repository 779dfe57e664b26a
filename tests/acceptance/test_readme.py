"""Every command in the README, and in docs/results.md, which goes on from it, is run as it stands there."""

import os
import re
import shlex
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.service import Service, base_env, embedded
from tests.media import make_video, samples_by_ffmpeg
from tests.servers import SMTPServer, free_port, require_program, wait_until

ROOT = Path(__file__).parents[2]


def blocks(document: str) -> list[str]:
    """The commands in a document."""
    return re.findall(r"^```sh\n(.*?)^```", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)


BLOCKS = blocks("README.md")


@pytest.fixture
def service(tmp_path: Path, mail_server: SMTPServer) -> Iterator[Service]:
    """An embedded service, as `make run` starts it."""
    with embedded(tmp_path, mail_server) as service:
        yield service


def test_the_commands_do_what_the_readme_says(service: Service, tmp_path: Path) -> None:
    """It should run every block but the first, in order, in one shell, and leave exact MP3s and what else is told."""
    require_program("curl")
    make_video(tmp_path / "talk.mp4", 5)
    script = "\n".join([*BLOCKS[1:], *blocks("docs/results.md")])
    assert script.count("localhost:8000") >= 8
    script = script.replace("localhost:8000", service.url.removeprefix("http://"))
    script = script.replace(".venv/bin/video2mp3", shlex.join([sys.executable, "-m", "video2mp3"]))
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=service.env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    for name in ("talk.mp3", "talk-128.mp3", "talk-v2.mp3", "shared.mp3"):
        assert samples_by_ffmpeg(tmp_path / name) == 5 * 48_000, name
    assert '"finished"' in result.stdout
    assert (tmp_path / "original.mp4").read_bytes() == (tmp_path / "talk.mp4").read_bytes()
    for name in ("talks.zip", "batch.zip"):
        with zipfile.ZipFile(tmp_path / name) as archived:
            assert len(archived.namelist()) == 2, name
    assert "<svg" in (tmp_path / "waveform.svg").read_text()


def test_the_library_does_what_the_readme_says(tmp_path: Path) -> None:
    """It should run the README's Python as it stands there."""
    make_video(tmp_path / "talk.mp4", 5)
    (program,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=base_env(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{5 * 48_000} samples" in result.stdout
    assert samples_by_ffmpeg(tmp_path / "talk-library.mp3") == 5 * 48_000


def test_the_two_commands_are_the_makefile_s() -> None:
    """It should name first what a new user types first; CI runs the same `make test`."""
    assert BLOCKS[0].splitlines() == ["make run", "make test"]
    assert "make lint types test" in (ROOT / ".ci" / "run").read_text()


def test_make_run_starts_the_service_and_prints_a_link(tmp_path: Path) -> None:
    """It should respect PORT and the data folder, print address and link, answer curl without a token, and stop."""
    port = free_port()
    output = tmp_path / "output"
    env = base_env(tmp_path) | {"PORT": str(port), "VIDEO2MP3_DATA_DIR": str(tmp_path / "here")}
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        env.pop(name, None)
    with output.open("wb") as out:
        process = subprocess.Popen(
            ["make", "run"], cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_until(lambda: "/sign-in?token=" in output.read_text(), 120, "make run to print its link")
        assert f"http://127.0.0.1:{port}" in output.read_text()
        assert httpx.get(f"http://127.0.0.1:{port}/v1/me").json()["username"] == "local"
        assert (tmp_path / "here" / "video2mp3.db").exists()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(40)
    assert "Traceback" not in output.read_text()


def test_make_alone_lists_every_target() -> None:
    """It should explain every target that people call."""
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "lint", "types", "format", "lock"):
        assert re.search(rf"^{target}\s+\w", listed, re.MULTILINE), target
