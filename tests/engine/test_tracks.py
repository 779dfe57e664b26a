"""Choosing a track by number and by language."""

from pathlib import Path

import pytest

from tests.engine.converting import converted, make
from video2mp3.engine import FileSource, probe
from video2mp3.engine.languages import same_language
from video2mp3.errors import TrackNotFound


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tracks: no language and 1 s, German and 2 s, English and 3 s."""
    inputs = [a for d in (1, 2, 3) for a in ("-f", "lavfi", "-i", f"sine=d={d}")]
    maps = [a for n in range(3) for a in ("-map", str(n))]
    languages = ["-metadata:s:a:1", "language=ger", "-metadata:s:a:2", "language=eng"]
    return make(tmp_path_factory.mktemp("film") / "film.mkv", *inputs, *maps, *languages, "-c:a", "flac")


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


def test_a_probe_tells_the_languages(film: Path) -> None:
    with FileSource(film) as source:
        assert [track.language for track in probe(source).tracks] == [None, "ger", "eng"]


def test_codes_of_one_language_are_the_same() -> None:
    assert same_language("zho", "CHI")
    assert same_language("zh-Hans", "zho")
    assert same_language("xyz", "xyz")
    assert not same_language("deu", "nld")
