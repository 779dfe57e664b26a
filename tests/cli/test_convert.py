"""`video2mp3 convert` as people start it: a process, files, exit status, sentences."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.cli.running import Ended, run
from tests.engine.converting import make
from tests.engine.decoders import samples_decoded
from tests.engine.sounds import tone, write_wav
from tests.media import make_video
from tests.servers import wait_until
from video2mp3.cli.local.output_paths import media_files
from video2mp3.engine.formats import CONTAINERS, DECODERS, SUFFIXES

WAIT_S = 60.0


def video2mp3(*arguments: object, folder: Path) -> Ended:
    return run(folder, "convert", *map(str, arguments))


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
    (folder / "nothing").mkdir()
    result = video2mp3("nowhere.mp4", "broken.mp4", "song.mkv", "nothing", folder=folder)
    assert result.returncode == 1
    lines = sorted(result.stderr.splitlines(), reverse=True)
    assert lines[0] == "video2mp3: nowhere.mp4: There is no such file."
    assert lines[1] == "video2mp3: nothing: warning: There are no media files in this folder."
    assert lines[2].startswith("video2mp3: broken.mp4: This is a text file")
    assert lines[3].startswith("video2mp3: 1 converted, 0 skipped, 2 failed; ")
    assert len(lines) == 4
    assert mp3s(folder) == ["song.mp3"]


def test_a_folder_is_converted_with_the_folders_in_it(folder: Path) -> None:
    (folder / "more" / "deep").mkdir(parents=True)
    (folder / "more" / ".hidden").mkdir()
    for name in ("talk.MP4", "deep/talk.mp4", "notes.txt", "old.mp3", ".hidden/a.mp4"):
        write_wav(folder / "more" / name, 20_000)
    result = video2mp3("more", "-o", "out", folder=folder)
    assert result.returncode == 0
    lines = result.stderr.splitlines()
    assert lines[:2] == [
        "video2mp3: more: skipped, not audio or video by their names: notes.txt",
        "video2mp3: more: skipped, already MP3; name them to convert them: old.mp3",
    ]
    closing = r"video2mp3: 2 converted, 0 skipped, 0 failed; 1 s of audio in \d+ s, \d+× real time"
    assert re.fullmatch(closing, lines[2])
    found = sorted(str(path.relative_to(folder / "out")) for path in (folder / "out").rglob("*") if path.is_file())
    assert found == ["deep/talk.mp3", "talk.mp3"]
    assert samples_decoded(folder / "out" / "deep" / "talk.mp3", 1) == (20_000, 20_000)
    assert video2mp3("more", folder=folder).returncode == 0
    assert mp3s(folder / "more") == ["old.mp3", "talk.mp3"]


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
    assert mp3s(folder / "out") == ["talk.mp3", "talk.mp4.mp3"]
    assert samples_decoded(folder / "out" / "more" / "talk.mp3", 1) == (30_000, 30_000)


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
    assert reading.stderr.startswith("video2mp3: talk.mp4: The file cannot be read: permission denied.\n")
    inside = video2mp3("talk.mov", "-o", "closed/", folder=folder)
    assert inside.stderr == "video2mp3: talk.mov: closed/talk.mp3 cannot be written to: permission denied.\n"
    named = video2mp3("talk.mov", "-o", "closed/mine.mp3", folder=folder)
    assert named.stderr == "video2mp3: -o closed/mine.mp3: permission denied.\n"


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
        (["talk.mov", "--start", "1:60"], "'1:60' is not a time; write 90, 1:30 or 1:02:03.5."),
        (["talk.mov", "--start", "10", "--end", "5"], "--end: must be later than --start."),
        (["talk.mov", "--channels", "3"], "--channels: 3 is not one of 1, 2, left, right."),
        (["talk.mov", "--preset", "best"], "--preset: 'best' is not one of voice"),
        (["talk.mov", "--preset", "max", "--abr", "96"], "--preset: cannot be used together with --abr"),
        (["talk.mov", "--threads", "0"], "--threads"),
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
    assert "Große Töne".encode("utf-16-le") in large
    assert video2mp3("talk.mov", "--vbr", "9", "--force", folder=folder).returncode == 0
    small = (folder / "talk.mp3").read_bytes()
    assert b"Xing" in small
    assert len(small) < len(large) / 2


def test_every_option_has_a_flag_that_reaches_the_mp3(folder: Path) -> None:
    arguments = "--abr 96 --channels 2 --sample-rate 48000 --start 0:00:00.1 --end 0:0.3 --track 1 --artist Ada"
    arguments += " --album Talks --date 2024 --genre Speech --comment Hello --track-number 3 --fade-in 0.01"
    arguments += " --fade-out .01 --fail-on-damage --keep-private-tags --json"
    result = video2mp3("talk.mov", *arguments.split(), folder=folder)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)["report"]
    assert (report["samples"], report["mp3_channels"], report["mp3_sample_rate_hz"]) == (9600, 2, 48000)
    assert report["encoder"]["average_kbps"] == 96
    tags: Any = ID3(folder / "talk.mp3")  # type: ignore[no-untyped-call]
    assert {str(frame) for frame in tags.values()} >= {"talk", "Ada", "Talks", "2024", "Speech", "Hello", "3"}
    result = video2mp3("talk.mov", "--preset", "voice", "--no-keep-tags", "--force", "--json", folder=folder)
    report = json.loads(result.stdout)["report"]
    assert (report["title"], report["mp3_channels"], report["mp3_sample_rate_hz"]) == (None, 1, 24000)


def test_the_cover_is_a_moment_or_a_file(folder: Path) -> None:
    make_video(folder / "film.mp4", 2)
    picture = make(folder / "a.png", "-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1").name
    for arguments, mime in ((["--cover-at", "0:01"], "image/jpeg"), (["--cover-file", picture], "image/png")):
        result = video2mp3("film.mp4", *arguments, "--force", folder=folder)
        assert result.returncode == 0, result.stderr
        tags: Any = ID3(folder / "film.mp3")  # type: ignore[no-untyped-call]
        assert [cover.mime for cover in tags.getall("APIC")] == [mime]
    wrong: dict[str, list[str]] = {
        "--cover-at: cannot be used together with --cover-file": ["--cover-at", "1", "--cover-file", picture],
        "--cover-file: must not be larger than 5 MB": ["--cover-file", "large.jpg"],
        "missing.jpg": ["--cover-file", "missing.jpg"],
        "not a complete, decodable JPEG": ["--cover-file", "talk.mov"],
        "no picture at 3 s": ["--cover-at", "3"],
    }
    (folder / "large.jpg").write_bytes(bytes(6_000_000))
    for words, arguments in wrong.items():
        result = video2mp3("film.mp4", *arguments, "--force", folder=folder)
        assert result.returncode in (1, 2)
        assert words in result.stderr


def test_several_at_once_give_the_bytes_of_one_alone(folder: Path) -> None:
    files = [write_wav(folder / f"{n}.wav", 30_000 + n).name for n in range(5)]
    assert video2mp3(*files, "-o", "out", folder=folder).returncode == 0
    assert video2mp3("3.wav", "-o", "alone.mp3", "--threads", "1", folder=folder).returncode == 0
    assert (folder / "out" / "3.mp3").read_bytes() == (folder / "alone.mp3").read_bytes()
    assert len(mp3s(folder / "out")) == 5


def test_json_is_one_object_per_file(folder: Path) -> None:
    result = video2mp3("talk.mov", "broken.mp4", "--json", folder=folder)
    assert result.returncode == 1
    good, bad = (json.loads(line) for line in result.stdout.splitlines())
    assert (good["source"], good["output"], good["report"]["samples"]) == ("talk.mov", "talk.mp3", 20_000)
    assert bad["error"]["code"] == "unsupported_format"


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


def test_an_interrupt_says_what_is_done(folder: Path, long_video: Path) -> None:
    """It should also do so of what has ended behind a longer file."""
    command = [sys.executable, "-m", "video2mp3", "convert", long_video.name, "talk.mov", "-j2"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until((folder / "talk.mp3").exists, WAIT_S, "the short file")
            process.send_signal(signal.SIGINT)
            said, complaints = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    assert process.returncode == 130
    assert said.startswith("talk.mov -> talk.mp3 (")
    assert complaints.startswith("video2mp3: interrupted; 1 converted, 0 skipped, 0 failed; ")


def on_a_terminal(*arguments: str, folder: Path) -> str:
    """What a terminal gets to see of a conversion that succeeds."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "video2mp3", "convert", *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=folder, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 4096):
                seen += part
        except OSError:
            pass  # the end of a terminal
    os.close(ours)
    assert process.returncode == 0
    return seen.decode()


def test_a_terminal_shows_a_bar_and_a_pipe_does_not(folder: Path) -> None:
    seen = on_a_terminal("talk.mov", folder=folder)
    assert "━" in seen
    assert "talk.mov -> talk.mp3" in seen
    assert "━" not in video2mp3("talk.mp4", "-o", "2.mp3", folder=folder).stderr


def test_several_files_have_a_bar_each_and_one_for_all(folder: Path) -> None:
    seen = on_a_terminal("talk.mov", "song.mkv", folder=folder)
    assert "2 files" in seen
    assert "talk.mov -> talk.mp3" in seen
    assert "song.mkv -> song.mp3" in seen


def test_every_listed_extension_is_taken_from_a_folder(tmp_path: Path) -> None:
    """It should skip MP3s, and those that are the output of a file beside them without a word."""
    for suffix in SUFFIXES:
        (tmp_path / f"one{suffix.upper()}").touch()
    for name in ("photo.jpg", "other.mp3", "one-02.mp3"):
        (tmp_path / name).touch()
    media, skipped = media_files(tmp_path)
    assert {path.suffix.lower() for path in media} == SUFFIXES - {".mp3"}
    assert [path.name for path in skipped] == ["other.mp3", "photo.jpg"]


def test_the_formats_are_listed() -> None:
    """It should print each container with its extensions, and each codec."""
    command = [sys.executable, "-m", "video2mp3", "formats"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True).stdout
    assert all(f"{container.name} " in printed for container in CONTAINERS)
    assert all(f" {suffix}" in printed for suffix in SUFFIXES)
    assert all(f" {decoder}" in printed for decoder in DECODERS)
