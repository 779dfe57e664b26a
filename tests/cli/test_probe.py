"""`video2mp3 probe` as people start it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.preloaded import run_text
from tests.engine.converting import make


def probe(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return run_text(["probe", *arguments], os.environ, folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chapters = tmp_path / "chapters"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=70\ntitle=Hello\n")
    inputs = ["-f", "lavfi", "-i", "sine=d=75", "-i", str(chapters), "-map_chapters", "1"]
    tags = ["-metadata", "title=A\x1b[31m talk", "-metadata:s:a:0", "language=deu"]
    make(tmp_path / "talk.mkv", *inputs, *tags, "-c:a", "flac")
    (tmp_path / "broken.mp4").write_text("nothing")
    return tmp_path


def test_it_tells_what_is_in_a_file(folder: Path) -> None:
    result = probe("talk.mkv", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "talk.mkv: Matroska/WebM, 1:15, “A [31m talk”"
    assert lines[1] == "  track 1: flac, 44100 Hz, mono, deu"
    assert lines[2] == "  chapter 1: 0:00 Hello"
    assert lines[3].startswith("  as MP3: about 1.1 MB, in ")
    assert len(lines) == 4


def test_json_is_one_object_per_file(folder: Path) -> None:
    result = probe("talk.mkv", "broken.mp4", "nowhere.mp4", "--json", folder=folder)
    assert result.returncode == 1
    good, broken, nowhere = (json.loads(line) for line in result.stdout.splitlines())
    assert good["probe"]["tracks"][0]["language"] == "deu"
    assert good["probe"]["chapters"] == [{"start_s": 0.0, "end_s": 70.0, "title": "Hello"}]
    assert good["probe"]["estimated_size_bytes"] == 75 * 14_250
    assert (broken["error"]["code"], nowhere["error"]["code"]) == ("unsupported_format", "not_found")
    assert "broken.mp4: This is a text file" in result.stderr


def test_a_folder_is_said_to_be_one(folder: Path) -> None:
    result = probe(".", folder=folder)
    assert (result.returncode, result.stderr) == (1, "video2mp3: .: This is a folder.\n")
