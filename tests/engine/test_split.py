"""Several MP3s out of one stream: joined, they sound as the one that is not split, to the bit, in two decoders."""

from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.engine.converting import converted, make
from tests.engine.decoders import pcms_by_ffmpeg, pcms_by_mpg123, samples_decoded
from video2mp3.engine import Report, Segment
from video2mp3.errors import TooManySegments

RATE_HZ = 44100
CHAPTERS = """;FFMETADATA1
title=A talk
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1500
title=Beginning
[CHAPTER]
TIMEBASE=1/1000
START=1500
END=1510
title=Too short to be one
[CHAPTER]
TIMEBASE=1/1000
START=1510
END=4000
title=Größe 東京
[CHAPTER]
TIMEBASE=1/1000
START=4000
END=6000
"""


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of stereo that swells, with chapters."""
    folder = tmp_path_factory.mktemp("talk")
    (folder / "chapters.txt").write_text(CHAPTERS)
    sound = "aevalsrc='0.4*sin(1200*t*(1+t/9))+0.1*(random(0)-0.5)|0.3*sin(900*t)*sin(3*t)+0.1*(random(1)-0.5)'"
    inputs = ["-f", "lavfi", "-i", f"{sound}:s={RATE_HZ}:d=6.01", "-i", str(folder / "chapters.txt")]
    return make(folder / "talk.mkv", *inputs, "-map", "0", "-map_metadata", "1", "-c:a", "flac")


@pytest.fixture(scope="module")
def pauses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four sounds: from 0.5 s to 2 s, 3 to 4, 5.5 to 7 and 8 to 9; a second of nothing at the end."""
    loud = "between(t,0.5,2)+between(t,3,4)+between(t,5.5,7)+between(t,8,9)"
    sound = f"aevalsrc='0.3*sin(2000*t)*({loud})+0.001*sin(900*t)':s=48000:d=10"
    return make(tmp_path_factory.mktemp("pauses") / "pauses.wav", "-f", "lavfi", "-i", sound)


def segments_of(report: Report, path: Path) -> list[Path]:
    """Cuts the output into files, one for each segment."""
    data, files = path.read_bytes(), []
    assert sum(segment.size_bytes for segment in report.segments) == report.size_bytes == len(data)
    for number, segment in enumerate(report.segments, 1):
        files.append(path.with_name(f"{path.stem}-{number:03}.mp3"))
        files[-1].write_bytes(data[segment.offset_bytes :][: segment.size_bytes])
    return files


def assert_joined_equal_the_whole(source: Path, folder: Path, **options: Any) -> tuple[Segment, ...]:
    split = {name: options.pop(name) for name in ("split", "silence_s", "silence_db") if name in options}
    whole = converted(source, folder / "whole.mp3", **options)
    report = converted(source, folder / "split.mp3", **options, **split)
    files = segments_of(report, folder / "split.mp3")
    frame_bytes = 2 * whole.mp3_channels
    for decoder in (pcms_by_ffmpeg, pcms_by_mpg123):
        wanted, *decoded = decoder(folder / "whole.mp3", *files)
        assert [len(pcm) // frame_bytes for pcm in decoded] == [segment.samples for segment in report.segments]
        joined = b"".join(decoded)
        assert len(joined) == len(wanted)
        assert joined == wanted, f"{decoder.__name__}: not the same"
    return report.segments


def test_an_interval_is_exact_to_the_sample(talk: Path, tmp_path: Path) -> None:
    segments = assert_joined_equal_the_whole(talk, tmp_path, split=2)
    assert [segment.samples for segment in segments] == [2 * RATE_HZ, 2 * RATE_HZ, round(2.01 * RATE_HZ)]


MODES: dict[str, dict[str, Any]] = {
    "320": {"bitrate_kbps": 320, "channels": 1},
    "32": {"bitrate_kbps": 32},
    "32 mono 48000": {"bitrate_kbps": 32, "channels": 1, "sample_rate_hz": 48000},
    "V0": {"vbr_quality": 0},
    "V9 mono": {"vbr_quality": 9, "channels": 1},
    "ABR 64": {"average_kbps": 64, "sample_rate_hz": 32000},
    "8 stereo 24000": {"bitrate_kbps": 8, "sample_rate_hz": 24000},
    "160 22050": {"bitrate_kbps": 160, "sample_rate_hz": 22050},
    "ABR 8 16000": {"average_kbps": 8, "sample_rate_hz": 16000},
    "8 stereo 8000": {"bitrate_kbps": 8, "sample_rate_hz": 8000},
    "V4 11025": {"vbr_quality": 4, "sample_rate_hz": 11025},
}


@pytest.mark.parametrize("mode", MODES)
def test_segments_joined_are_the_whole_in_every_mode(mode: str, talk: Path, tmp_path: Path) -> None:
    segments = assert_joined_equal_the_whole(talk, tmp_path, split=1.001, **MODES[mode])
    assert len(segments) == 6  # what is left, 4 ms, is too short to be one


@pytest.mark.parametrize(
    "options",
    [{"start_s": 0.7, "end_s": 4.2}, {"fade_in_s": 1.5, "fade_out_s": 2.5}, {"loudness_lufs": -20}],
    ids=str,
)
def test_segments_joined_are_the_whole_whatever_else_is_asked_for(
    options: dict[str, Any], talk: Path, tmp_path: Path
) -> None:
    segments = assert_joined_equal_the_whole(talk, tmp_path, split="1", **options)
    assert segments[1].start_s == pytest.approx(1 + options.get("start_s", 0))


def test_chapters_are_segments_with_their_titles(talk: Path, tmp_path: Path) -> None:
    segments = assert_joined_equal_the_whole(talk, tmp_path, split="chapters", start_s=0.5)
    assert [segment.samples for segment in segments] == [RATE_HZ, 2.5 * RATE_HZ, round(2.01 * RATE_HZ)]
    assert [segment.start_s for segment in segments] == [0.5, 1.5, 4.0]
    assert [segment.title for segment in segments] == ["Beginning", "Größe 東京", "A talk (3)"]
    for number, segment in enumerate(segments, 1):
        tags: Any = ID3(tmp_path / f"split-{number:03}.mp3")  # type: ignore[no-untyped-call]
        assert (str(tags["TIT2"]), str(tags["TRCK"])) == (segment.title, str(number))
        assert not [name for name in tags if name.startswith(("CHAP", "CTOC"))]


def test_silences_are_cut_after_half_their_least_length(pauses: Path, tmp_path: Path) -> None:
    """It should cut 0.6 s after the sounds that end at 4 s only: other pauses are shorter, or nothing follows."""
    segments = assert_joined_equal_the_whole(pauses, tmp_path, split="silence", silence_s=1.2, silence_db=-55)
    assert [segment.start_s for segment in segments] == pytest.approx([0, 4.6], abs=0.001)
    shorter = converted(pauses, tmp_path / "b.mp3", split="silence", silence_s=0.9, silence_db=-55)
    assert [segment.start_s for segment in shorter.segments] == pytest.approx([0, 2.45, 4.45, 7.45], abs=0.001)
    assert len(converted(pauses, tmp_path / "b.mp3", split="silence", silence_s=0.9, silence_db=-70).segments) == 1


def test_silences_are_those_of_the_source_however_loud_the_mp3(pauses: Path, tmp_path: Path) -> None:
    loud = converted(pauses, tmp_path / "a.mp3", split="silence", silence_s=0.9, silence_db=-55, loudness_lufs=-9)
    assert loud.loudness is not None
    assert loud.loudness["gain_db"] > 5
    assert [segment.start_s for segment in loud.segments] == pytest.approx([0, 2.45, 4.45, 7.45], abs=0.001)


def test_one_segment_is_the_plain_mp3_but_for_its_tags(talk: Path, tmp_path: Path) -> None:
    """It should hold for the shortest sounds too, in which ffmpeg forgets where they begin."""
    for end_s in (6, 0.001, 0.006):
        options = {"end_s": end_s, "sample_rate_hz": 8000, "keep_tags": False, "chapters": False}
        converted(talk, tmp_path / "plain.mp3", **options)
        report = converted(talk, tmp_path / "split.mp3", split=6000, **options)
        plain, split = ((tmp_path / name).read_bytes() for name in ("plain.mp3", "split.mp3"))
        place = plain.index(b"\xff\xe3")
        assert split.endswith(plain[place:])
        assert samples_decoded(tmp_path / "split.mp3", 2) == (report.samples, report.samples)


def test_more_segments_than_999_are_refused(tmp_path: Path) -> None:
    source = make(tmp_path / "a.wav", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono:d=1001")
    assert len(converted(source, tmp_path / "a.mp3", split=1, end_s=999, bitrate_kbps=8).segments) == 999
    with pytest.raises(TooManySegments):
        converted(source, tmp_path / "a.mp3", split=1, bitrate_kbps=8)
