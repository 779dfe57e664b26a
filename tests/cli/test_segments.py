"""`video2mp3 convert` where one file becomes several MP3s."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import run
from tests.cli.test_convert import mp3s, video2mp3
from tests.engine.decoders import samples_decoded
from tests.engine.sounds import write_wav
from tests.servers import require_program
from video2mp3.cli.local.files import place
from video2mp3.engine import Segment
from video2mp3.errors import FileExists, StorageFull

RATE_HZ = 44_100
SAMPLES = 2 * RATE_HZ + RATE_HZ // 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_wav(tmp_path / "talk.mp4", SAMPLES)
    return tmp_path


def two_tracks(path: Path) -> Path:
    """A film in two languages: 1.5 s each."""
    sine = "sine=frequency={}:sample_rate=44100:duration=1.5"
    inputs = [word for hz in (300, 500) for word in ("-f", "lavfi", "-i", sine.format(hz))]
    maps = ["-map", "0", "-map", "1", "-c:a", "pcm_s16le"]
    subprocess.run([require_program("ffmpeg"), "-v", "error", *inputs, *maps, str(path)], check=True)
    return path


def test_a_file_is_split_into_numbered_mp3s(folder: Path) -> None:
    result = video2mp3("talk.mp4", "--split", "0:01", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("talk.mp4 -> talk-01.mp3 … talk-03.mp3 (3 segments, 0:02, ")
    assert mp3s(folder) == ["talk-01.mp3", "talk-02.mp3", "talk-03.mp3"]
    found = [samples_decoded(folder / name, 1) for name in mp3s(folder)]
    assert found == [(RATE_HZ, RATE_HZ), (RATE_HZ, RATE_HZ), (RATE_HZ // 2, RATE_HZ // 2)]
    assert {(folder / name).stat().st_mode & 0o777 for name in mp3s(folder)} == {0o666 & ~os.umask(os.umask(0o022))}
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize(("split", "left"), [("1.5", "talk-03.mp3"), ("chapters", "talk-02.mp3, talk-03.mp3")])
def test_segments_of_an_earlier_conversion_are_named(split: str, left: str, folder: Path) -> None:
    """It should warn of them, and keep them: they may be another file's."""
    first = run(folder, "convert", "talk.mp4", "--split", "1")
    assert (first.returncode, first.stderr) == (0, "")
    for name in ("talk-2024.mp3", "talks-04.mp3", "talk.mp3", "talk-track1.mp3"):
        (folder / name).touch()
    again = run(folder, "convert", "talk.mp4", "--split", split, "-f")
    warning = f"video2mp3: talk.mp4: warning: Of an earlier conversion there are still {left}.\n"
    assert again.returncode == 0
    assert again.stderr.endswith(warning)
    assert len(mp3s(folder)) == 7
    assert run(folder, "convert", "talk.mp4", "--split", split, "-f", "-q").stderr == ""


def test_all_tracks_are_mp3s_with_their_numbers(folder: Path) -> None:
    two_tracks(folder / "film.mkv")
    result = video2mp3("film.mkv", "--track", "all", "-o", "there/", folder=folder)
    assert result.stdout.startswith("film.mkv -> there/film-track1.mp3 … there/film-track2.mp3 (2 tracks, ")
    result = video2mp3("film.mkv", "--track", "all", "--split", "1", "-o", "both.mp3", "--json", folder=folder)
    line = json.loads(result.stdout)
    assert line["outputs"] == [f"both-track{track}-0{segment}.mp3" for track in (1, 2) for segment in (1, 2)]
    assert (len(line["report"]["segments"]), "output" in line) == (4, False)
    assert mp3s(folder / "there") == ["film-track1.mp3", "film-track2.mp3"]
    assert mp3s(folder) == line["outputs"]
    assert samples_decoded(folder / "both-track2-02.mp3", 1) == (RATE_HZ // 2, RATE_HZ // 2)


def test_one_segment_has_a_number_too(folder: Path) -> None:
    """It should have the same names whatever the file's length is."""
    assert "(1 segment, " in video2mp3("talk.mp4", "--split", "10:00", folder=folder).stdout
    assert video2mp3("talk.mp4", "--track", "all", folder=folder).returncode == 0
    assert mp3s(folder) == ["talk-01.mp3", "talk-track1.mp3"]


def test_segments_that_exist_are_kept_unless_forced(folder: Path) -> None:
    """It should write none where one exists, whether that is seen before the conversion or after it."""
    for name in ("talk-01.mp3", "talk-03.mp3"):
        (folder / name).write_text("mine")
        result = video2mp3("talk.mp4", "--split", "1", folder=folder)
        assert result.stderr == f"video2mp3: talk.mp4: {name} exists already; use --force to overwrite it.\n"
        assert (mp3s(folder), result.returncode) == ([name], 1)
        assert (folder / name).read_text() == "mine"
        assert not list(folder.glob(".*"))
        (folder / name).unlink()
    (folder / "talk-03.mp3").write_text("mine")
    assert video2mp3("talk.mp4", "--split", "1", "--force", folder=folder).returncode == 0
    assert samples_decoded(folder / "talk-03.mp3", 1) == (RATE_HZ // 2, RATE_HZ // 2)


def test_segments_that_exist_are_noticed_before_anything_is_converted(folder: Path) -> None:
    (folder / "talk.mp4").write_bytes(b"nothing that can be played")
    (folder / "talk-001.mp3").write_text("mine")
    result = video2mp3("talk.mp4", "--split", "1", folder=folder)
    assert "talk-001.mp3 exists already" in result.stderr


def test_other_mp3s_with_numbers_are_no_earlier_segments(folder: Path) -> None:
    """It should not take talk-1.mp3 or talk-010.mp3 for a segment of talk.mp4."""
    for name in ("talk-1.mp3", "talk-010.mp3", "talk-01b.mp3", "talk.mp3"):
        (folder / name).write_text("mine")
    assert video2mp3("talk.mp4", "--split", "1", folder=folder).returncode == 0
    assert {"talk-01.mp3", "talk-02.mp3", "talk-03.mp3"} < set(mp3s(folder))


def segments_of(*sizes_bytes: int) -> list[Segment]:
    offsets = [sum(sizes_bytes[:n]) for n in range(len(sizes_bytes))]
    return [Segment(offset, size, "", 1, 0.0, 0, 0.0, None) for offset, size in zip(offsets, sizes_bytes, strict=True)]


def test_a_name_that_is_taken_keeps_all_segments_from_theirs(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"first" + b"other")
    (tmp_path / "source").touch()
    (tmp_path / "2").touch()
    names = [tmp_path / "1", tmp_path / "2"]
    with pytest.raises(FileExists):
        place(tmp_path / "whole", segments_of(5, 5), names, tmp_path / "source", False)
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "source", "2"}
    place(tmp_path / "whole", segments_of(5, 5), names, tmp_path / "source", True)
    assert [name.read_bytes() for name in names] == [b"first", b"other"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("No file system can be mounted here.")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_segments_need_little_more_room_than_the_whole(small_disk: Path, tmp_path: Path) -> None:
    """It should take one after the other off the whole; without room it should leave no segment."""
    names = [small_disk / "1", small_disk / "2", small_disk / "3"]
    (small_disk / "whole").write_bytes(bytes(48 * 1024))
    place(small_disk / "whole", segments_of(*[16 * 1024] * 3), names, tmp_path / "source", False)
    assert [name.stat().st_size for name in names] == [16 * 1024] * 3
    for name in names:
        name.unlink()
    (small_disk / "whole").write_bytes(bytes(48 * 1024))
    with pytest.raises(StorageFull, match=r"no room left in .*disk\."):
        place(small_disk / "whole", segments_of(8 * 1024, 40 * 1024), names[:2], tmp_path / "source", False)
    assert [path.name for path in small_disk.iterdir()] == ["whole"]


def test_names_that_are_too_long_are_cut_and_keep_their_number(tmp_path: Path) -> None:
    stem = "語" * 84
    write_wav(tmp_path / f"{stem}.ts", SAMPLES)
    assert video2mp3(f"{stem}.ts", folder=tmp_path).returncode == 0
    assert video2mp3(f"{stem}.ts", "--split", "1", folder=tmp_path).returncode == 0
    assert video2mp3(f"{stem}.ts", "--split", "1", folder=tmp_path).returncode == 1  # finds the first one's segments
    (whole,) = tmp_path.glob("*[!0-9].mp3")
    first, *others = sorted(tmp_path.glob("*-[0-9][0-9].mp3"))
    assert stem.startswith(whole.stem)
    assert len(os.fsencode(whole.name)) > 230
    assert first.stem == whole.stem[: len(first.stem) - 3] + "-01"
    assert len(others) == 2
