"""What a probe tells, against what was put into the file and what comes out of its conversion."""

from pathlib import Path
from typing import Any

import pytest

from tests.engine.converting import converted, make
from tests.engine.sounds import write_wav
from tests.media import corpus_file
from video2mp3.engine import Chapter, FileSource, Options, Probe, probe
from video2mp3.engine.report import MAX_CHAPTERS
from video2mp3.errors import UnsupportedFormat


def probed(path: Path, **options: Any) -> Probe:
    with FileSource(path) as source:
        return probe(source, Options.from_dict(options))


def test_chapters_are_told_with_their_times_and_titles() -> None:
    found = probed(corpus_file("mp4/sample_with_chapters.mp4"))
    assert found.chapters[0] == Chapter(0.0, 0.201, "Chapter 1")
    assert [chapter.title for chapter in found.chapters] == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert found.as_dict()["chapters"][2] == {"start_s": 0.8, "end_s": 0.85, "title": "Chapter 3"}


def test_more_chapters_than_one_message_holds_are_left_out(tmp_path: Path) -> None:
    """It should hold with titles that take as much room as titles can."""
    lines = [";FFMETADATA1"]
    for n in range(65_535):
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={n}",
            f"END={n + 1}",
            "title=" + "🎧" * (80 if n < MAX_CHAPTERS else 1),
        ]
    (tmp_path / "chapters").write_text("\n".join(lines))
    inputs = ["-f", "lavfi", "-i", "sine=d=66", "-i", str(tmp_path / "chapters"), "-map_chapters", "1"]
    found = probed(make(tmp_path / "a.mkv", *inputs, "-c:a", "flac"))
    assert len(found.chapters) == MAX_CHAPTERS
    assert found.warnings == (f"The file has 65535 chapters; only the first {MAX_CHAPTERS} are used.",)
    assert found.chapters[-1].title == "🎧" * 70


def test_tags_and_cover_are_told_as_they_will_be_written(tmp_path: Path) -> None:
    tags = ["-metadata", "artist=Ada", "-metadata", "date=20240506", "-metadata", "comment=at home"]
    picture = ["-f", "lavfi", "-i", "testsrc=s=64x64:d=0.04", "-map", "0:a", "-map", "1:v", "-c:v", "bmp"]
    inputs = ["-f", "lavfi", "-i", "sine=d=0.2", *picture]
    song = make(tmp_path / "song.flac", *inputs, *tags, "-disposition:v", "attached_pic")
    found = probed(song, title="Mine")
    assert found.tags == {"title": "Mine", "artist": "Ada", "date": "2024-05-06"}
    assert (found.cover, found.warnings) == ("image/jpeg", ())
    assert probed(song, keep_private_tags=True).tags["comment"] == "at home"
    assert probed(song, keep_tags=False).tags == {}
    song.write_bytes(song.read_bytes().replace(b"BM", b"II", 1))
    assert probed(song).cover is None
    assert len(probed(song).warnings) == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bitrate_kbps": 64},
        {"preset": "voice"},
        {"start_s": 2.0, "end_s": 5.0},
        {"average_kbps": 128},
        {"vbr_quality": 2},
        {"vbr_quality": 7, "channels": 1},
    ],
)
def test_the_size_is_about_what_was_estimated(options: dict[str, Any], tmp_path: Path) -> None:
    noise = "anoisesrc=color=pink:amplitude=0.3:sample_rate=44100:duration=10:seed="
    inputs = [a for seed in "12" for a in ("-f", "lavfi", "-i", noise + seed)]
    source = make(tmp_path / "a.wav", *inputs, "-filter_complex", "join=inputs=2:channel_layout=stereo")
    estimated = probed(source, **options).estimated_size_bytes
    assert converted(source, tmp_path / "a.mp3", **options).size_bytes == pytest.approx(estimated, rel=0.35)


def test_a_file_without_a_known_length_has_no_estimates(tmp_path: Path) -> None:
    found = probed(corpus_file("mp4/sample_video_only.mp4"))
    assert (found.estimated_size_bytes, found.estimated_time_s) == (None, None)
    assert (probed(write_wav(tmp_path / "a.wav", 44100)).estimated_time_s or 0) > 0


def test_tracks_that_give_no_sound_have_no_estimates(tmp_path: Path) -> None:
    """It should estimate only what a conversion would give."""
    source = make(tmp_path / "a.mov", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "pcm_s16le")
    assert (probed(source).estimated_size_bytes or 0) > 0
    source.write_bytes(source.read_bytes().replace(b"sowt", b"apac"))
    found = probed(source)
    assert [track.decodable for track in found.tracks] == [False]
    assert (found.estimated_size_bytes, found.estimated_time_s) == (None, None)


def test_a_file_that_was_cut_short_is_warned_of(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", 44100)
    assert probed(source).warnings == ()
    source.write_bytes(source.read_bytes()[:-1000])
    assert "cut short" in probed(source).warnings[0]


def test_what_is_not_media_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("not a video")
    with pytest.raises(UnsupportedFormat):
        probed(tmp_path / "a.mp4")


def test_a_copy_is_estimated_by_the_size_of_the_source(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp3", "-f", "lavfi", "-i", "sine=d=8", "-b:a", "64k")
    found = probed(source, copy=True)
    assert found.estimated_size_bytes == pytest.approx(source.stat().st_size, rel=0.02)
    assert probed(source, copy=True, end_s=2).estimated_size_bytes == pytest.approx(source.stat().st_size / 4, rel=0.05)


def test_all_tracks_are_estimated_together(tmp_path: Path) -> None:
    inputs = [a for d in (10, 20) for a in ("-f", "lavfi", "-i", f"sine=d={d}")]
    film = make(tmp_path / "a.mkv", *inputs, "-map", "0", "-map", "1", "-c:a", "flac")
    found = probed(film, track="all", bitrate_kbps=64)
    assert found.estimated_size_bytes == pytest.approx(30 * 8000, rel=0.4)  # Matroska tells only the file's length
    assert not found.warnings
