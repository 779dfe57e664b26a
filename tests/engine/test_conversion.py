"""convert and probe, as their callers see them."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mutagen.id3 import ID3

from tests.engine.decoders import samples_decoded
from tests.engine.sounds import write_wav
from tests.media import corpus_file, make_video
from tests.servers import require_program
from video2mp3.engine import FileSource, Options, Report, Segment, convert, probe
from video2mp3.engine.mp3.frames import MPEG1_RATES_HZ, RATES_HZ


def converted(path: Path, target: Path, options: Options = Options()) -> Report:  # noqa: B008 frozen
    with FileSource(path) as source, target.open("wb") as sink:
        return convert(source, sink, options)


def bitrate_kbps_by_ffprobe(path: Path) -> int:
    command = [
        require_program("ffprobe"),
        "-v",
        "error",
        "-show_entries",
        "stream=bit_rate",
        "-of",
        "csv=p=0",
        str(path),
    ]
    return int(subprocess.run(command, capture_output=True, check=True).stdout) // 1000


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_rate_and_channel_count_keeps_its_length(rate_hz: int, channels: int, tmp_path: Path) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "a.mp3"
    samples = 10_007 if rate_hz in MPEG1_RATES_HZ else 1
    write_wav(source, samples, channels, rate_hz)
    report = converted(source, target)
    assert (report.samples, report.mp3_sample_rate_hz, report.mp3_channels) == (samples, rate_hz, channels)
    assert samples_decoded(target, channels) == (samples, samples)


@pytest.mark.parametrize("bitrate_kbps", [32, 128, 320])
def test_the_bitrate_is_the_one_asked_for(bitrate_kbps: int, tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", 44100, 2)
    report = converted(source, tmp_path / "a.mp3", Options(bitrate_kbps=bitrate_kbps))
    assert report.encoder["bitrate_kbps"] == bitrate_kbps
    assert bitrate_kbps_by_ffprobe(tmp_path / "a.mp3") == bitrate_kbps


def test_where_the_bitrate_does_not_exist_the_nearest_is_used_and_told(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", 22050, 2, 22050)
    assert converted(source, tmp_path / "a.mp3", Options(bitrate_kbps=320)).encoder["bitrate_kbps"] == 160


def test_better_vbr_quality_makes_a_larger_file(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", 44100 * 3, 2)
    sizes = [converted(source, tmp_path / "a.mp3", Options(vbr_quality=quality)).size_bytes for quality in (0, 9)]
    assert sizes[0] > 1.5 * sizes[1]


def test_the_report_tells_what_is_in_the_file(tmp_path: Path) -> None:
    report = converted(corpus_file("mp4/sample_ac3.mp4"), tmp_path / "a.mp3")
    data = (tmp_path / "a.mp3").read_bytes()
    assert report.sha256 == hashlib.sha256(data).hexdigest()
    assert report.size_bytes == len(data)
    assert (report.codec, report.channels, report.mp3_channels) == ("ac3", 6, 2)
    assert report.duration_s == pytest.approx(13824 / 48000)
    nested = {"tracks": report.tracks, "segments": report.segments, "timeline": report.timeline, "warnings": ()}
    assert Report(**{**report.as_dict(), **nested}) == report


def test_a_plain_conversion_has_one_segment(tmp_path: Path) -> None:
    report = converted(write_wav(tmp_path / "a.wav", 100_000), tmp_path / "a.mp3", Options(start_s=1, title="Mine"))
    segments = tuple(replace(segment, waveform=None) for segment in report.segments)
    assert segments == (
        Segment(0, report.size_bytes, report.sha256, 1, 1.0, report.samples, report.duration_s, "Mine"),
    )


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "a.wav", 100_000, 2)
    first, second = (converted(source, tmp_path / name).sha256 for name in ("1.mp3", "2.mp3"))
    assert first == second


def title_of(path: Path) -> str | None:
    tags: Any = ID3(path)  # type: ignore[no-untyped-call]
    return str(tags["TIT2"]) if "TIT2" in tags else None


def test_the_title_is_the_option_s_else_the_source_s_else_its_name(tmp_path: Path) -> None:
    video = make_video(tmp_path / "talk.mp4", 1)  # titled «A talk»
    untitled = write_wav(tmp_path / "Über uns.wav", 4000)
    target = tmp_path / "out.mp3"
    assert converted(video, target).title == title_of(target) == "A talk"
    assert converted(video, target, Options(title="Mine")).title == title_of(target) == "Mine"
    assert converted(untitled, target).title == title_of(target) == "Über uns"
    assert converted(video, target, Options(title="")).title is title_of(target) is None


def test_a_probe_tells_the_tracks_without_decoding() -> None:
    with FileSource(corpus_file("mp4/sample_with_chapters.mp4")) as source:
        found = probe(source)
    assert (found.has_video, len(found.chapters), found.warnings) == (True, 3, ())
    (track,) = found.tracks
    assert (track.codec, track.channels, track.sample_rate_hz, track.decodable) == ("aac", 1, 44100, True)
    assert track.duration_s == pytest.approx(1.089, abs=0.01)
    assert found.as_dict()["tracks"][0]["codec"] == "aac"


@pytest.mark.parametrize(
    ("path", "tracks", "words"),
    [("mp4/sample_video_only.mp4", 0, "no audio"), ("ts/sample_ac4.ts", 1, "no decoder")],
)
def test_a_probe_warns_of_what_will_not_convert(path: str, tracks: int, words: str) -> None:
    with FileSource(corpus_file(path)) as source:
        found = probe(source)
    assert len(found.tracks) == tracks
    assert words in found.warnings[0]


def test_a_second_track_is_told_and_left_out(tmp_path: Path) -> None:
    video = tmp_path / "two.mkv"
    command = [
        require_program("ffmpeg"),
        "-v",
        "error",
        "-y",
        "-f",
        "lavfi",
        "-i",
        "sine=d=1",
        "-f",
        "lavfi",
        "-i",
        "sine=d=2",
    ]
    command += ["-map", "0", "-map", "1", "-metadata:s:a:1", "language=deu", "-c:a", "flac", str(video)]
    subprocess.run(command, check=True)
    report = converted(video, tmp_path / "out.mp3")
    assert report.samples == 44100
    assert [track.language for track in report.tracks] == [None, "ger"] or report.tracks[1].language == "deu"
    assert report.warnings == ("Only track 1 of 2 audio tracks is converted: it is the default.",)
