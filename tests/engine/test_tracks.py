"""Choosing a track by number and by language."""

from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from video2mp3.engine import FileSource, Limits, Options, convert, probe
from video2mp3.engine.child.metadata.languages import has_language
from video2mp3.errors import AudioTooLong, StartOutOfRange, TrackNotFound


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tracks: no language and 1 s, German and 2 s, English and 3 s, with the director's words."""
    inputs = [a for d in (1, 2, 3) for a in ("-f", "lavfi", "-i", f"sine=d={d}")]
    maps = [a for n in range(3) for a in ("-map", str(n))]
    languages = ["-metadata:s:a:1", "language=ger", "-metadata:s:a:2", "language=eng"]
    flags = [
        "-disposition:a:0",
        "default",
        "-metadata:s:a:2",
        "title=Director",
        "-disposition:a:2",
        "comment+visual_impaired",
    ]
    return make(tmp_path_factory.mktemp("film") / "film.mkv", *inputs, *maps, *languages, *flags, "-c:a", "flac")


@pytest.mark.parametrize(
    ("track", "number"), [(None, 1), (1, 1), (2, 2), ("3", 3), ("ger", 2), ("deu", 2), ("de", 2), ("EN-us", 3)]
)
def test_a_track_is_chosen_by_number_or_language(track: int | str | None, number: int, film: Path) -> None:
    report = converted(film, film.with_suffix(".mp3"), track=track)
    assert (report.track, report.samples) == (number, number * 44100)
    assert len(report.warnings) == (track is None)


@pytest.mark.parametrize(("track", "words"), [(4, "no audio track 4; the file has 3"), ("fra", "not told, ger, eng")])
def test_a_track_that_is_not_there_is_said(track: int | str, words: str, film: Path) -> None:
    with pytest.raises(TrackNotFound, match=words):
        converted(film, film.with_suffix(".mp3"), track=track)


def test_a_probe_tells_languages_titles_and_flags(film: Path) -> None:
    with FileSource(film) as source:
        tracks = probe(source).tracks
    assert [track.language for track in tracks] == [None, "ger", "eng"]
    assert [track.title for track in tracks] == [None, None, "Director"]
    assert [track.flags for track in tracks] == [("default",), (), ("comment", "visual_impaired")]


def test_codes_of_one_language_are_the_same() -> None:
    assert has_language("zho", "CHI")
    assert has_language("zh-Hans", "zho")
    assert has_language("xyz", "xyz")
    assert not has_language("deu", "nld")
    assert has_language("deu,eng", "en")
    assert has_language("deu, eng", "de")
    assert not has_language("deu,eng", "eng,deu")


def test_all_tracks_are_mp3s_of_their_own(film: Path, tmp_path: Path) -> None:
    report = converted(film, tmp_path / "all.mp3", track="all")
    data = (tmp_path / "all.mp3").read_bytes()
    assert [(segment.track, segment.samples) for segment in report.segments] == [(n, n * 44100) for n in (1, 2, 3)]
    for segment in report.segments:
        alone = converted(film, tmp_path / "alone.mp3", track=segment.track)
        assert (tmp_path / "alone.mp3").read_bytes() == data[segment.offset_bytes :][: segment.size_bytes]
        assert alone.sha256 == segment.sha256
    assert (report.samples, report.duration_s, report.size_bytes) == (6 * 44100, 6.0, len(data))
    assert report.warnings == ()


def test_all_tracks_can_be_split_and_levelled(film: Path, tmp_path: Path) -> None:
    report = converted(film, tmp_path / "all.mp3", track="all", split=2, loudness_lufs=-30)
    assert [(segment.track, segment.start_s) for segment in report.segments] == [(1, 0), (2, 0), (3, 0), (3, 2)]
    assert report.samples == 6 * 44100
    assert report.loudness is not None
    assert report.loudness["lufs"] == pytest.approx(-30, abs=0.3)


def test_tracks_that_give_nothing_are_left_out_and_said(film: Path, tmp_path: Path) -> None:
    report = converted(film, tmp_path / "all.mp3", track="all", start_s=1.5)
    assert [(segment.track, segment.start_s, segment.samples) for segment in report.segments] == [
        (2, 1.5, 22050),
        (3, 1.5, 66150),
    ]
    assert report.warnings == ("Audio tracks that gave nothing are left out: 1.",)
    with pytest.raises(StartOutOfRange):
        converted(film, tmp_path / "all.mp3", track="all", start_s=3)


def test_all_tracks_together_are_no_longer_than_is_converted(film: Path, tmp_path: Path) -> None:
    with FileSource(film) as source, (tmp_path / "all.mp3").open("wb") as sink:
        assert convert(source, sink, Options(track="all"), limits=Limits(max_audio_s=6.1)).duration_s == 6
        sink.seek(0)
        with pytest.raises(AudioTooLong):
            convert(source, sink, Options(track="all"), limits=Limits(max_audio_s=5.5))
