"""`video2mp3 convert --watch` as people leave it running: a process, folders in which things happen."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.decoders import samples_decoded
from tests.engine.sounds import tone, wav_with, write_wav
from tests.servers import wait_until
from video2mp3.cli.local.watch import Arrivals

WAIT_S = 60.0
NORMALLY = "from video2mp3.cli import main; main()"
QUICKLY = f"from video2mp3.cli.local import watch as w; w.INTERVAL_S = w.SETTLED_S = 0.1; {NORMALLY}"
"""For tests in which each file comes at once."""


@dataclass(frozen=True)
class Watching:
    """A process that watches."""

    process: "subprocess.Popen[bytes]"
    told: Path
    complained: Path

    def wait_for(self, line: str) -> None:
        def is_there() -> bool:
            assert self.process.poll() is None, self.complained.read_text()
            return line in self.told.read_text() + self.complained.read_text()

        wait_until(is_there, WAIT_S, repr(line))

    def wait_for_mp3(self, path: Path, samples: int) -> None:
        wait_until(path.exists, WAIT_S, path.name)
        assert samples_decoded(path, 1) == (samples, samples)

    def stop(self, sent: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(sent)
        return self.process.wait(WAIT_S)

    def complaints(self) -> list[str]:
        return [line.removeprefix("video2mp3: ") for line in self.complained.read_text().splitlines()]


@contextmanager
def watching(folder: Path, *arguments: str, quickly: bool = True) -> Iterator[Watching]:
    told, complained = folder.parent / "told.txt", folder.parent / "complained.txt"
    command = [sys.executable, "-c", QUICKLY if quickly else NORMALLY, "convert", "--watch", *arguments]
    with (
        told.open("wb") as out,
        complained.open("wb") as err,
        subprocess.Popen(command, cwd=folder.parent, stdout=out, stderr=err) as process,
    ):
        try:
            watch = Watching(process, told, complained)
            watch.wait_for("press Ctrl-C to stop")
            yield watch
        finally:
            process.kill()


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox" / "deep").mkdir(parents=True)
    return tmp_path / "inbox"


def visible(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def put(path: Path, samples: int = 20_000, *, older_than: Path | None = None) -> Path:
    """Makes a file at once, with all that is in it."""
    hidden = write_wav(path.with_name(f".{path.name}"), samples)
    if older_than is not None:
        modified_s = older_than.stat().st_mtime - 10
        os.utime(hidden, (modified_s, modified_s))
    return hidden.replace(path)


def test_a_file_is_due_when_it_has_not_changed_for_two_seconds() -> None:
    """It should be due once for each stamp, and again after it was gone."""
    arrivals, file = Arrivals(), Path("talk.mp4")
    found: list[tuple[float, int | None, list[bool]]] = [
        (0, 100, []),
        (1.9, 100, []),
        (2.1, 100, [False]),
        (9, 100, []),
        (10, 200, []),
        (11, 300, []),
        (12.9, 300, []),
        (13, 300, [True]),
        (14, None, []),
        (15, 300, []),
        (17, 300, [False]),
    ]
    for now_s, size_bytes, due in found:
        there = {} if size_bytes is None else {file: (size_bytes, 0)}
        assert [changed for _, _, changed in arrivals.due(there, now_s)] == due, now_s


def test_what_is_there_is_converted_and_then_what_comes(inbox: Path) -> None:
    """It should take what is complete and has no MP3, also from folders within, and nothing else."""
    put(inbox / "there.mp4")
    put(inbox / "done.mp4")
    (inbox / "done.mp3").write_text("made before")
    for name in (".hidden.mp4", "download.mp4.part", "movie.mkv.crdownload", "joined.temp.mp4", "~sync.mp4"):
        put(inbox / name)
    (inbox / "placeholder.mp4").touch()
    with watching(inbox, "inbox", quickly=False) as watch:
        watch.wait_for("inbox/there.mp4 -> inbox/there.mp3 (0:00, ")
        (inbox / "download.mp4.part").rename(inbox / "download.mp4")
        put(inbox / "deep" / "talk.MOV", 30_000)
        watch.wait_for_mp3(inbox / "download.mp3", 20_000)
        watch.wait_for_mp3(inbox / "deep" / "talk.mp3", 30_000)
        assert watch.stop() == 130
    started, ended = watch.complaints()
    assert started == "watching inbox; press Ctrl-C to stop"
    assert ended.startswith("interrupted; 3 converted, 0 skipped, 0 failed; ")
    mp3s = [name for name in visible(inbox) if name.endswith(".mp3")]
    assert mp3s == ["deep/talk.mp3", "done.mp3", "download.mp3", "there.mp3"]
    assert (inbox / "done.mp3").read_text() == "made before"


def test_what_fails_is_told_once_and_tried_again_when_it_changes(inbox: Path) -> None:
    (inbox / "broken.mp4").write_bytes(b"nothing that can be played")
    with watching(inbox, "inbox", "--json") as watch:
        watch.wait_for("broken.mp4: This is a text file")
        put(inbox / "later.mp4")  # while this is waited for, the other could be tried again
        watch.wait_for_mp3(inbox / "later.mp3", 20_000)
        assert sum("broken.mp4" in line for line in watch.complaints()) == 1
        put(inbox / "broken.mp4")
        watch.wait_for_mp3(inbox / "broken.mp3", 20_000)
        watch.stop()
    lines: list[Any] = [json.loads(line) for line in watch.told.read_text().splitlines()]
    assert [(line["source"], "error" in line) for line in lines] == [
        ("inbox/broken.mp4", True),
        ("inbox/later.mp4", False),
        ("inbox/broken.mp4", False),
    ]


def test_a_changed_file_is_left_unless_forced(inbox: Path) -> None:
    """It should say once that the MP3 is older than its source; with --force it should make it again."""
    for name in ("changed", "same"):
        (inbox / f"{name}.mp3").write_text("made before")
        put(inbox / f"{name}.mp4", older_than=inbox / "same.mp3" if name == "same" else None)
    os.utime(inbox / "changed.mp3", (0, 0))
    with watching(inbox, "inbox") as watch:
        watch.wait_for("changed since inbox/changed.mp3 was made; --force converts such files again")
        put(inbox / "later.mp4")
        watch.wait_for_mp3(inbox / "later.mp3", 20_000)
        watch.stop(signal.SIGTERM)
        assert watch.process.returncode == 143
    assert len(watch.complaints()) == 2
    assert (inbox / "changed.mp3").read_text() == "made before"

    with watching(inbox, "inbox", "--force") as watch:
        watch.wait_for("changed.mp4 -> ")
        put(inbox / "later.mp4", 30_000, older_than=inbox / "later.mp3")  # a copy that has its original's time
        watch.wait_for("later.mp4 -> ")
        watch.stop()
    assert samples_decoded(inbox / "changed.mp3", 1) == (20_000, 20_000)
    assert samples_decoded(inbox / "later.mp3", 1) == (30_000, 30_000)
    assert (inbox / "same.mp3").read_text() == "made before"


def test_a_folder_that_vanishes_is_waited_for(inbox: Path, tmp_path: Path) -> None:
    """It should go on with the other folder meanwhile, and convert nothing twice when the one is back."""
    (tmp_path / "other").mkdir()
    put(inbox / "deep" / "first.mp4")
    with watching(inbox, "inbox", "other", "-o", "out") as watch:
        watch.wait_for_mp3(tmp_path / "out" / "deep" / "first.mp3", 20_000)
        inbox.rename(tmp_path / "away")
        watch.wait_for("inbox: does not exist; waiting for it")
        put(tmp_path / "other" / "second.mp4")
        watch.wait_for_mp3(tmp_path / "out" / "second.mp3", 20_000)
        (tmp_path / "away").rename(inbox)
        watch.wait_for("inbox: exists again")
        put(inbox / "third.mp4")
        watch.wait_for_mp3(tmp_path / "out" / "third.mp3", 20_000)
        watch.stop()
    assert watch.told.read_text().count(" -> ") == 3
    assert visible(tmp_path / "out") == ["deep/first.mp3", "second.mp3", "third.mp3"]


def test_files_of_one_name_keep_their_mp3s(inbox: Path) -> None:
    """It should give the one that comes later another name, and find both MP3s again at the next start."""
    put(inbox / "talk.mp4")
    with watching(inbox, "inbox") as watch:
        watch.wait_for_mp3(inbox / "talk.mp3", 20_000)
        put(inbox / "talk.mov", 30_000)
        watch.wait_for_mp3(inbox / "talk.mov.mp3", 30_000)
        watch.stop()
    with watching(inbox, "inbox") as watch:
        put(inbox / "new.mp4")
        watch.wait_for_mp3(inbox / "new.mp3", 20_000)
        watch.stop()
    assert visible(inbox) == ["new.mp3", "new.mp4", "talk.mov", "talk.mov.mp3", "talk.mp3", "talk.mp4"]


def test_parts_are_found_again(inbox: Path) -> None:
    """It should leave what was split before, and split what comes."""
    put(inbox / "old.mp4")
    (inbox / "old-01.mp3").write_text("made before")
    (inbox / "new-1.mp3").write_text("something else")
    with watching(inbox, "inbox", "--split", "10:00") as watch:
        put(inbox / "new.mp4")
        watch.wait_for_mp3(inbox / "new-01.mp3", 20_000)
        watch.stop()
    assert len(watch.complaints()) == 3
    assert "inbox: skipped, already MP3; name them to convert them: new-1.mp3" in watch.complaints()
    assert visible(inbox) == ["new-01.mp3", "new-1.mp3", "new.mp4", "old-01.mp3", "old.mp4"]


@pytest.fixture
def under_way(inbox: Path) -> Iterator[Watching]:
    """A watch that converts an hour."""
    second = tone(44_100)
    with (inbox / "long.mp4").open("wb") as file:
        file.write(wav_with(b"", rate_hz=44_100, claimed_bytes=len(second) * 3600))
        file.writelines([second] * 3600)
    with watching(inbox, "inbox") as watch:
        wait_until(lambda: any(p.stat().st_size > 100_000 for p in inbox.glob(".long.mp3.*")), WAIT_S, "the start")
        yield watch


def test_a_file_that_changes_while_it_is_converted_is_converted_anew(under_way: Watching, inbox: Path) -> None:
    """It should not keep the MP3 of what was there first."""
    put(inbox / "long.mp4")
    under_way.wait_for_mp3(inbox / "long.mp3", 20_000)
    assert under_way.stop() == 130
    _, ended = under_way.complaints()
    assert ended.startswith("interrupted; 1 converted, 0 skipped, 0 failed; ")


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing_behind(
    sent: signal.Signals, status: int, under_way: Watching, inbox: Path
) -> None:
    assert under_way.stop(sent) == status
    assert "Traceback" not in under_way.complained.read_text()
    assert visible(inbox) == ["long.mp4"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["talk.mp4"], "--watch: talk.mp4 is not a folder."),
        (["nowhere"], "--watch: nowhere is not a folder."),
        (["inbox", "-o", "one.mp3"], "name a folder"),
    ],
)
def test_only_folders_are_watched(arguments: list[str], words: str, inbox: Path) -> None:
    put(inbox.parent / "talk.mp4")
    command = [sys.executable, "-m", "video2mp3", "convert", "--watch", *arguments]
    result = subprocess.run(command, cwd=inbox.parent, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
