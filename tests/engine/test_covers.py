"""Covers and chapters, as mutagen reads them back."""

from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.engine.converting import converted, make
from tests.engine.decoders import samples_decoded
from video2mp3.engine.cover import cleaned

EXIF = b"\xff\xe1\x00\x10Exif\0\0 40.6800"


def frames_of(path: Path, kind: str) -> list[Any]:
    found: Any = ID3(path)  # type: ignore[no-untyped-call]
    return list(found.getall(kind))


@pytest.fixture
def jpeg(tmp_path: Path) -> bytes:
    """A picture with a place in it."""
    plain = make(tmp_path / "plain.jpg", "-f", "lavfi", "-i", "testsrc=s=600x600", "-frames:v", "1").read_bytes()
    return plain[:2] + EXIF + plain[2:]


@pytest.fixture
def song(tmp_path: Path, jpeg: bytes) -> Path:
    """With a cover and three chapters of a second each."""
    (tmp_path / "cover.jpg").write_bytes(jpeg)
    lines = [";FFMETADATA1"]
    for n in range(3):
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={n * 1000}",
            f"END={n * 1000 + 1000}",
            f"title=Part {n + 1} ✓",
        ]
    (tmp_path / "chapters").write_text("\n".join(lines))
    inputs = ["-f", "lavfi", "-i", "sine=d=3", "-i", str(tmp_path / "cover.jpg"), "-i", str(tmp_path / "chapters")]
    how = ["-map", "0:a", "-map", "1:v", "-map_chapters", "2", "-c:v", "copy", "-disposition:v", "attached_pic"]
    return make(tmp_path / "song.m4a", *inputs, *how, "-c:a", "aac")


def test_the_source_s_cover_is_kept_without_its_place(song: Path, jpeg: bytes, tmp_path: Path) -> None:
    with_cover = converted(song, tmp_path / "a.mp3")
    (picture,) = frames_of(tmp_path / "a.mp3", "APIC")
    assert (picture.mime, picture.type) == ("image/jpeg", 3)
    assert EXIF in jpeg
    assert b"Exif" not in picture.data
    assert b"Lavc" not in picture.data
    (tmp_path / "out.jpg").write_bytes(picture.data)
    pixels = [
        make(tmp_path / f"{name}.rgb", "-i", str(tmp_path / f"{name}.jpg"), "-f", "rawvideo")
        for name in ("out", "cover")
    ]
    assert pixels[0].read_bytes() == pixels[1].read_bytes()
    assert samples_decoded(tmp_path / "a.mp3", 1) == (with_cover.samples, with_cover.samples)
    without = converted(song, tmp_path / "b.mp3", cover="none")
    assert frames_of(tmp_path / "b.mp3", "APIC") == []
    assert without.samples == with_cover.samples
    assert (tmp_path / "a.mp3").read_bytes().endswith((tmp_path / "b.mp3").read_bytes()[4096:])


def test_a_png_loses_its_texts_and_nothing_else(tmp_path: Path) -> None:
    source = ["-f", "lavfi", "-i", "testsrc=s=64x64", "-frames:v", "1"]
    plain = make(tmp_path / "a.png", *source).read_bytes()
    text = b"\0\0\0\x08tEXtGPS\x00here\0\0\0\0"
    assert cleaned(plain[:33] + text + plain[33:]) == ("image/png", plain)
    assert cleaned(plain[:-20]) is None
    assert cleaned(plain[:60] + bytes([plain[60] ^ 1]) + plain[61:]) is None  # damaged: its checksum tells


@pytest.mark.parametrize(
    "picture", [b"", b"GIF89a", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\xff\xff", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_whole_picture_is_left_out(picture: bytes) -> None:
    assert cleaned(picture) is None


def test_chapters_are_written(song: Path, tmp_path: Path) -> None:
    converted(song, tmp_path / "a.mp3")
    chapters = frames_of(tmp_path / "a.mp3", "CHAP")
    found = [(c.start_time, c.end_time, str(c.sub_frames["TIT2"])) for c in chapters]
    assert found == [(0, 1000, "Part 1 ✓"), (1000, 2000, "Part 2 ✓"), (2000, 3000, "Part 3 ✓")]
    (contents,) = frames_of(tmp_path / "a.mp3", "CTOC")
    assert contents.child_element_ids == [c.element_id for c in chapters]
    assert int(contents.flags) == 3


def test_chapters_move_with_the_start(song: Path, tmp_path: Path) -> None:
    converted(song, tmp_path / "a.mp3", start_s=1.5, end_s=2.25)
    found = [(c.start_time, c.end_time) for c in frames_of(tmp_path / "a.mp3", "CHAP")]
    assert found == [(0, 500), (500, 750)]
    converted(song, tmp_path / "a.mp3", chapters=False)
    assert frames_of(tmp_path / "a.mp3", "CHAP") == []
