"""`video2mp3 convert` as people start it: a process, files, exit status, sentences."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.decoders import samples_decoded
from tests.engine.sounds import tone, write_wav

WAIT_S = 60.0


def video2mp3(*arguments: object, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "video2mp3", "convert", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("talk.mov", "talk.mp4", "song.mkv"):
        write_wav(tmp_path / name, 20_000)
    (tmp_path / "broken.mp4").write_bytes(b"nothing that can be played")
    return tmp_path


def mp3s(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".mp3" in path.name)


def test_a_video_becomes_an_mp3_beside_it(folder: Path) -> None:
    result = video2mp3("talk.mov", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"talk.mov -> talk.mp3 (0:00, {(folder / 'talk.mp3').stat().st_size / 1000:.0f} kB)\n"
    assert samples_decoded(folder / "talk.mp3", 1) == (20_000, 20_000)
    assert (folder / "talk.mp3").stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o022))


def test_each_failure_is_one_sentence_and_the_others_go_on(folder: Path) -> None:
    result = video2mp3("nowhere.mp4", "broken.mp4", "song.mkv", folder, folder=folder)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "video2mp3: nowhere.mp4: There is no such file."
    assert lines[1].startswith("video2mp3: broken.mp4: This is not an audio or video file")
    assert lines[2].endswith("This is a folder; name the files in it.")
    assert len(lines) == 3
    assert mp3s(folder) == ["song.mp3"]


def test_what_exists_is_kept_unless_forced(folder: Path) -> None:
    (folder / "talk.mp3").write_text("mine")
    result = video2mp3("talk.mov", folder=folder)
    assert result.returncode == 1
    assert result.stderr == "video2mp3: talk.mov: talk.mp3 exists already; use --force to overwrite it.\n"
    assert (folder / "talk.mp3").read_text() == "mine"
    assert video2mp3("talk.mov", "--force", folder=folder).returncode == 0
    assert samples_decoded(folder / "talk.mp3", 1) == (20_000, 20_000)


def test_a_failed_conversion_leaves_what_was_there(folder: Path) -> None:
    (folder / "broken.mp3").write_text("mine")
    assert video2mp3("broken.mp4", "--force", folder=folder).returncode == 1
    assert (folder / "broken.mp3").read_text() == "mine"
    assert not list(folder.glob(".*"))


def test_inputs_of_one_name_do_not_overwrite_each_other(folder: Path) -> None:
    (folder / "more").mkdir()
    write_wav(folder / "more" / "talk.mp4", 30_000)
    result = video2mp3("talk.mov", "talk.mp4", "more/talk.mp4", "-o", "out", "--force", folder=folder)
    assert result.returncode == 0
    assert mp3s(folder / "out") == ["talk (2).mp3", "talk.mp3", "talk.mp4.mp3"]
    assert samples_decoded(folder / "out" / "talk (2).mp3", 1) == (30_000, 30_000)


def test_the_output_may_be_a_file_or_a_folder(folder: Path) -> None:
    (folder / "there").mkdir()
    assert video2mp3("talk.mov", "-o", "there/mine.mp3", folder=folder).returncode == 0
    assert video2mp3("talk.mov", "-o", "there", folder=folder).returncode == 0
    assert video2mp3("talk.mov", "-o", "made/", folder=folder).returncode == 0
    assert mp3s(folder / "there") == ["mine.mp3", "talk.mp3"]
    assert mp3s(folder / "made") == ["talk.mp3"]


def test_an_mp3_is_never_its_own_output(folder: Path) -> None:
    (folder / "talk.mov").rename(folder / "old.mp3")
    before = (folder / "old.mp3").read_bytes()
    assert video2mp3("old.mp3", "-o", "old.mp3", "--force", folder=folder).returncode == 1
    assert (folder / "old.mp3").read_bytes() == before
    assert video2mp3("old.mp3", folder=folder).returncode == 0
    assert mp3s(folder) == ["old.mp3", "old.video2mp3.mp3"]


def test_only_regular_files_are_read_and_overwritten(folder: Path) -> None:
    """It should neither wait for a pipe, nor put a file where a pipe or a device is."""
    os.mkfifo(folder / "pipe")
    reading = video2mp3("pipe", folder=folder)
    assert reading.returncode == 1
    assert reading.stderr == "video2mp3: pipe: This is a pipe or a device; save what comes from it to a file first.\n"
    writing = video2mp3("talk.mov", "-o", "pipe", "--force", folder=folder)
    assert writing.returncode == 1
    assert writing.stderr == "video2mp3: talk.mov: pipe is not a regular file, and is never overwritten.\n"
    assert (folder / "pipe").is_fifo()


def test_standard_input_and_output_are_refused_in_words(folder: Path) -> None:
    assert "Standard input cannot be converted" in video2mp3("-", folder=folder).stderr
    assert "cannot go to standard output" in video2mp3("talk.mov", "-o", "-", folder=folder).stderr
    assert not (folder / "-").exists()


def test_what_a_link_points_to_is_written(folder: Path) -> None:
    (folder / "there").mkdir()
    (folder / "link.mp3").symlink_to("there/new.mp3")
    assert video2mp3("talk.mov", "-o", "link.mp3", folder=folder).returncode == 0
    assert (folder / "link.mp3").is_symlink()
    assert mp3s(folder / "there") == ["new.mp3"]


@pytest.mark.skipif(os.geteuid() == 0, reason="Root may read and write everything.")
def test_missing_permissions_are_said(folder: Path) -> None:
    """It should name what may not be read or written, and convert the others."""
    (folder / "closed").mkdir(mode=0)
    (folder / "talk.mp4").chmod(0)
    reading = video2mp3("talk.mp4", "song.mkv", folder=folder)
    assert (reading.returncode, mp3s(folder)) == (1, ["song.mp3"])
    assert reading.stderr == "video2mp3: talk.mp4: The file cannot be read: permission denied.\n"
    inside = video2mp3("talk.mov", "-o", "closed/", folder=folder)
    assert inside.stderr == "video2mp3: talk.mov: closed/talk.mp3 cannot be written to: permission denied.\n"
    named = video2mp3("talk.mov", "-o", "closed/mine.mp3", folder=folder)
    assert named.stderr == "video2mp3: -o closed/mine.mp3: permission denied.\n"


def test_a_folder_that_is_missing_is_said(folder: Path) -> None:
    result = video2mp3("talk.mov", "-o", "not/there.mp3", folder=folder)
    assert result.returncode == 1
    assert result.stderr == "video2mp3: talk.mov: not cannot be written to: no such file or directory.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "FILE"),
        (["talk.mov", "--bitrate", "192", "--vbr", "2"], "--vbr"),
        (["talk.mov", "--bitrate", "193"], "--bitrate: 193 is not one of 8, 16"),
        (["talk.mov", "--bitrate", "much"], "--bitrate"),
        (["talk.mov", "--vbr", "10"], "--vbr"),
        (["talk.mov", "song.mkv", "-o", "one.mp3"], "name a folder"),
        (["talk.mov", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage_has_exit_status_2_and_converts_nothing(arguments: list[str], words: str, folder: Path) -> None:
    result = video2mp3(*arguments, folder=folder)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert mp3s(folder) == []


def test_options_reach_the_mp3(folder: Path) -> None:
    assert video2mp3("talk.mov", "--bitrate", "320", "--title", "Große Töne", folder=folder).returncode == 0
    large = (folder / "talk.mp3").read_bytes()
    assert "Große Töne".encode() in large
    assert video2mp3("talk.mov", "--vbr", "9", "--force", folder=folder).returncode == 0
    small = (folder / "talk.mp3").read_bytes()
    assert b"Xing" in small
    assert len(small) < len(large) / 2


def test_json_is_one_object_per_file(folder: Path) -> None:
    result = video2mp3("talk.mov", "broken.mp4", "--json", folder=folder)
    assert result.returncode == 1
    good, bad = (json.loads(line) for line in result.stdout.splitlines())
    assert (good["source"], good["output"], good["report"]["samples"]) == ("talk.mov", "talk.mp3", 20_000)
    assert bad["error"]["code"] == "not_media"


def test_a_name_cannot_upset_the_terminal(folder: Path) -> None:
    name = "a\x1b[31m[bold]\nb.mp4"
    (folder / "talk.mov").rename(folder / name)
    result = video2mp3(name, "-o", "out.mp3", folder=folder)
    assert result.stdout.startswith("a?[31m[bold]?b.mp4 -> out.mp3")


@pytest.fixture
def long_video(folder: Path) -> Path:
    sound = tone(48_000)
    path = folder / "long.mp4"
    size = len(sound) * 3600
    with path.open("wb") as file:
        file.write(write_wav(folder / "head.wav", 0).read_bytes()[:4] + (36 + size).to_bytes(4, "little"))
        file.write(b"WAVEfmt " + (folder / "head.wav").read_bytes()[16:40] + size.to_bytes(4, "little"))
        for _ in range(3600):
            file.write(sound)
    return path


@pytest.fixture
def running(long_video: Path) -> Iterator["subprocess.Popen[str]"]:
    """A conversion of an hour, under way."""
    command = [sys.executable, "-m", "video2mp3", "convert", long_video.name]
    with subprocess.Popen(command, cwd=long_video.parent, stderr=subprocess.PIPE, text=True) as process:
        deadline_s = time.monotonic() + WAIT_S
        while not any(path.stat().st_size > 100_000 for path in long_video.parent.glob(".long.mp3.*")):
            assert time.monotonic() < deadline_s, "it did not start"
            assert process.poll() is None, "it ended"
            time.sleep(0.05)
        yield process
        process.kill()


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing_behind(
    sent: signal.Signals, status: int, running: "subprocess.Popen[str]", folder: Path
) -> None:
    running.send_signal(sent)
    _, complaints = running.communicate(timeout=WAIT_S)
    assert running.returncode == status
    assert "Traceback" not in complaints
    assert mp3s(folder) == []
    assert not list(folder.glob(".*"))


def test_a_terminal_shows_a_bar_and_a_pipe_does_not(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "video2mp3", "convert", "talk.mov"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:
            pass  # the end of a terminal
    os.close(ours)
    assert process.returncode == 0
    assert "━".encode() in shown
    assert b"talk.mov -> talk.mp3" in shown
    assert "━" not in video2mp3("talk.mp4", "-o", "2.mp3", folder=folder).stderr
