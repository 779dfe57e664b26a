"""Own chapters: they are written into the MP3 and split it, in place of the source's."""

from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.engine.converting import converted, make
from tests.engine.sounds import write_wav
from video2mp3.engine.chapters import parse_chapters
from video2mp3.engine.mp3.id3 import clean_text

NASTY = "<b>Größe</b> 🎉 &amp; \x00\x1b[31m\u202edlrow " + "x" * 200


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, with a chapter of its own."""
    folder = tmp_path_factory.mktemp("sound")
    wav = write_wav(folder / "a.wav", 3 * 44100)
    (folder / "a.txt").write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=3\ntitle=The file's\n")
    inputs = ["-i", str(wav), "-i", str(folder / "a.txt")]
    return make(folder / "a.mka", *inputs, "-map", "0", "-map_metadata", "1", "-c:a", "flac")


def chapters_in(mp3: Path) -> list[tuple[int, int, str]]:
    frames: Any = ID3(mp3).getall("CHAP")  # type: ignore[no-untyped-call]
    return [(frame.start_time, frame.end_time, str(frame.sub_frames["TIT2"])) for frame in frames]


@pytest.mark.parametrize("options", [{}, {"copy": True}], ids=["encoded", "copied"])
def test_own_chapters_replace_those_of_the_source(options: dict[str, Any], sound: Path, tmp_path: Path) -> None:
    """It should end each where the next one begins, the last one with the sound, and leave out what is beyond."""
    source = sound
    if options:
        converted(sound, tmp_path / "source.mp3", end_s=3.0)
        source = tmp_path / "source.mp3"
    lines = f"0:01 One\r\n\n00:00:01.5\t{NASTY}\n2.25  Three \n60:00 Beyond"
    converted(source, tmp_path / "a.mp3", own_chapters=lines, start_s=0.5, **options)
    nasty = clean_text(NASTY)
    assert chapters_in(tmp_path / "a.mp3") == [(500, 1000, "One"), (1000, 1750, nasty), (1750, 2500, "Three")]


def test_own_chapters_split(sound: Path, tmp_path: Path) -> None:
    """It should make a part before the first one, without a chapter's title, and warn of nothing."""
    report = converted(sound, tmp_path / "a.mp3", own_chapters="1 One\n2", split="chapters", title="T")
    assert [(found.start_s, found.duration_s, found.title) for found in report.segments] == [
        (0.0, 1.0, "T (1)"),
        (1.0, 1.0, "One"),
        (2.0, 1.0, "T (3)"),
    ]
    assert report.warnings == ()


def test_a_minute_is_sixty_seconds_exactly() -> None:
    found = parse_chapters("0:59.999999999 a\n1:00.1 b\n60.2\n1:00:00 c")
    assert [chapter.start_s for chapter in found] == [59.999999999, 60.1, 60.2, 3600.0]
    assert [chapter.title for chapter in found] == ["a", "b", None, "c"]
