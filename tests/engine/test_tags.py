"""What an MP3 says about itself, as another reader of ID3 finds it."""

from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.engine.converting import converted, make
from tests.media import corpus_file
from tests.options import resolved
from video2mp3.engine.child.metadata.tags import tags_for

PUBLIC = {
    "title": "A talk",
    "artist": "Ada",
    "album": "Talks",
    "genre": "Speech",
    "date": "2024-05-06",
    "track": "3/12",
}
PRIVATE = {"location": "+48.1+011.5/", "comment": "at home", "make": "Acme", "model": "Phone 5", "copyright": "Ada"}


def tags_of(path: Path) -> dict[str, str]:
    found: Any = ID3(path)  # type: ignore[no-untyped-call]
    return {key: str(frame) for key, frame in found.items()}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    metadata = [a for name, text in (PUBLIC | PRIVATE).items() for a in ("-metadata", f"{name}={text}")]
    return make(tmp_path / "clip.mkv", "-f", "lavfi", "-i", "sine=d=1", *metadata, "-c:a", "flac")


def test_harmless_tags_are_kept_and_private_ones_are_not(video: Path, tmp_path: Path) -> None:
    converted(video, tmp_path / "a.mp3")
    assert tags_of(tmp_path / "a.mp3") == {
        "TIT2": "A talk",
        "TPE1": "Ada",
        "TALB": "Talks",
        "TCON": "Speech",
        "TDRC": "2024-05-06",
        "TRCK": "3/12",
        "TSSE": "video2mp3, LAME 4.0",
    }
    data = (tmp_path / "a.mp3").read_bytes()
    assert not any(text.encode() in data for text in PRIVATE.values() if text != "Ada")


def test_private_tags_are_kept_where_they_are_asked_for(video: Path, tmp_path: Path) -> None:
    converted(video, tmp_path / "a.mp3", keep_private_tags=True)
    found = tags_of(tmp_path / "a.mp3")
    assert found["COMM::und"] == "at home"
    assert {name: found[f"TXXX:{name}"] for name in ("location", "make", "model")} == {
        name: PRIVATE[name] for name in ("location", "make", "model")
    }
    assert found["TPE1"] == "Ada"


def test_a_phone_s_place_is_not_carried_over(tmp_path: Path) -> None:
    phone = corpus_file("mp4/sample_with_chapters.mp4")  # has `location`
    converted(phone, tmp_path / "a.mp3")
    assert b"40.6800" not in (tmp_path / "a.mp3").read_bytes()
    converted(phone, tmp_path / "a.mp3", keep_private_tags=True)
    assert b"40.6800" in (tmp_path / "a.mp3").read_bytes()


def test_options_override_and_empty_ones_remove(video: Path, tmp_path: Path) -> None:
    given = {"title": "Großes 東京", "artist": "", "album": "Mine", "date": "1999", "genre": "Jazz", "track_number": 7}
    report = converted(video, tmp_path / "a.mp3", comment="two words", **given)
    found = tags_of(tmp_path / "a.mp3")
    assert (report.title, found["TIT2"]) == ("Großes 東京", "Großes 東京")
    assert "TPE1" not in found
    assert [found[name] for name in ("TALB", "TDRC", "TCON", "TRCK", "COMM::und")] == [
        "Mine", "1999", "Jazz", "7", "two words",
    ]  # fmt: skip


def test_without_the_source_s_tags_there_are_only_one_s_own(video: Path, tmp_path: Path) -> None:
    converted(video, tmp_path / "a.mp3", keep_tags=False, album="Mine")
    assert tags_of(tmp_path / "a.mp3") == {"TALB": "Mine", "TSSE": "video2mp3, LAME 4.0"}


@pytest.mark.parametrize(
    ("date", "kept"),
    [
        ("2024", "2024"),
        ("2024-05", "2024-05"),
        ("2024-05-06T07:08:09+0200", "2024"),
        ("May", None),
        ("20240506", "2024-05-06"),
        ("2024/5/06", "2024-05-06"),
        ("6.05.2024", "2024-05-06"),
        ("20241399", "2024"),
        ("202405", None),
        ("2024.5.6", "2024-05-06"),
        ("31/05/2024", "2024-05-31"),
        ("05/31/2024", "2024-05-31"),
        ("05/06/2024", "2024"),
        ("May 2024", "2024-05"),
        ("6 May 2024", "2024-05-06"),
        ("September 6, 2024", "2024-09-06"),
        ("6. Mai 2024", "2024"),
        ("2024/05/06 07:08:09", "2024"),
        ("20240506T070809Z", "2024"),
        ("Mon May 16 07:08:09 2024", "2024"),
    ],
)
def test_dates_of_programs_are_understood_and_of_a_moment_only_the_year_is_kept(date: str, kept: str | None) -> None:
    assert tags_for(resolved(), {"date": date}, "").texts.get("TDRC") == kept
    private = tags_for(resolved(keep_private_tags=True), {"date": date}, "").others
    assert private.get("date", kept) == (kept if date == kept else date)


def test_text_of_strangers_is_bounded_in_number_and_length() -> None:
    source = {f"key{n}": "x" * 10_000 for n in range(1000)} | {"title": "two\nlines\0" + "x" * 1000}
    tags = tags_for(resolved(keep_private_tags=True), source, "a.mp4")
    assert len(tags.others) == 64
    assert max(map(len, tags.others.values())) == 2000
    assert tags.texts["TIT2"].startswith("two lines x")
    assert len(tags.texts["TIT2"]) == 300
