"""All tracks mixed into one MP3."""

import math
from array import array
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from tests.engine.converting import converted, make, values
from tests.media import REPORTS
from tests.options import resolved
from tests.servers.programs import missing
from video2mp3.engine import FileSource, Limits, Options, convert, probe
from video2mp3.engine.child.decoding import mixing
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.containers.streamability import requires_full_input
from video2mp3.engine.source import SourceFile
from video2mp3.errors import AudioTooLong, InvalidOption, TracksFarApart, UndecodableAudio

RATE_HZ = 48_000


def tones(path: Path, *tracks: str, codec: Sequence[str] = ("-c:a", "flac", "-sample_fmt", "s16")) -> Path:
    """A file with a track for each of ffmpeg's audio sources."""
    inputs = [argument for source in tracks for argument in ("-f", "lavfi", "-i", source)]
    maps = [argument for number in range(len(tracks)) for argument in ("-map", str(number))]
    return make(path, *inputs, *maps, *codec)


def tone(frequency_hz: int, level: float, seconds: float = 1, *, rate_hz: int = RATE_HZ, layout: str = "mono") -> str:
    channel = f"{level}*sin(2*PI*{frequency_hz}*t)"
    count = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    return f"aevalsrc='{'|'.join([channel] * count)}':c={layout}:s={rate_hz}:d={seconds}"


def level_of(samples: "Sequence[float]", frequency_hz: float, rate_hz: int = RATE_HZ) -> float:
    """The amplitude of a tone, from 0 to 1."""
    angles = [2 * math.pi * frequency_hz * n / rate_hz for n in range(len(samples))]
    parts = [sum(s * f(angle) for s, angle in zip(samples, angles, strict=True)) for f in (math.sin, math.cos)]
    return 2 * math.hypot(*parts) / len(samples) / 32768


def mixed(path: Path, tmp_path: Path, **options: object) -> "tuple[array[int], tuple[int, ...]]":
    report = converted(path, tmp_path / "mix.mp3", track="mix", **options)
    assert report.tracks[0].decodable
    return values(tmp_path / "mix.mp3"), report.mixed_tracks


def test_tracks_are_added_at_their_own_levels(tmp_path: Path) -> None:
    file = tones(tmp_path / "game.mkv", tone(400, 0.3), tone(1000, 0.1))
    samples, numbers = mixed(file, tmp_path)
    assert numbers == (1, 2)
    assert len(samples) == RATE_HZ
    assert level_of(samples, 400) == pytest.approx(0.3, rel=0.05)
    assert level_of(samples, 1000) == pytest.approx(0.1, rel=0.05)


def test_eight_loud_tracks_are_not_clipped_and_keep_their_balance(tmp_path: Path) -> None:
    frequencies_hz = [300 * number for number in range(1, 9)]
    codec = ("-c:v", "mpeg2video", "-c:a", "pcm_s16le")
    loud = [tone(frequency_hz, 0.9) for frequency_hz in frequencies_hz]
    file = tones(tmp_path / "eight.mxf", "color=size=64x64:rate=25:d=1", *loud, codec=codec)
    samples, numbers = mixed(file, tmp_path)
    assert numbers == tuple(range(1, 9))
    assert max(map(abs, samples)) < 32_000
    levels = [level_of(samples, frequency_hz) for frequency_hz in frequencies_hz]
    assert min(levels) == pytest.approx(max(levels), rel=0.05)
    assert max(map(abs, samples)) > 27_000


def test_mono_stereo_and_surround_of_other_rates_are_mixed_to_stereo(tmp_path: Path) -> None:
    sources = (
        tone(400, 0.2, rate_hz=22_050),
        tone(700, 0.2, rate_hz=44_100, layout="stereo"),
        tone(1000, 0.2, layout="5.1"),
    )
    file = tones(tmp_path / "a.mkv", *sources)
    samples, numbers = mixed(file, tmp_path)
    assert numbers == (1, 2, 3)
    for channel in (samples[::2], samples[1::2]):
        assert len(channel) == RATE_HZ
        assert level_of(channel, 400) == pytest.approx(0.2, rel=0.05)  # mono is as loud on both sides
        assert level_of(channel, 700) == pytest.approx(0.2, rel=0.05)
        assert level_of(channel, 1000) > 0.1


def test_the_mix_of_one_quiet_track_is_that_track(tmp_path: Path) -> None:
    file = tones(tmp_path / "a.mka", tone(400, 0.3, 2, layout="stereo"))
    alone = converted(file, tmp_path / "a.mp3", start_s=0.5, split=1)
    mix = converted(file, tmp_path / "b.mp3", start_s=0.5, split=1, track="mix")
    assert (mix.sha256, mix.segments) == (alone.sha256, alone.segments)


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    file = tones(tmp_path / "a.mkv", tone(400, 0.9, 3), tone(1000, 0.9, 3))
    found = []
    for threads in (1, 3):
        with FileSource(file) as source, (tmp_path / "a.mp3").open("wb") as sink:
            found.append(convert(source, sink, Options(track="mix"), limits=Limits(threads=threads)).sha256)
    assert found[0] == found[1]


def test_a_mix_is_brought_to_a_loudness(tmp_path: Path) -> None:
    file = tones(tmp_path / "a.mkv", tone(400, 0.9, 3), tone(1000, 0.9, 3))
    report = converted(file, tmp_path / "a.mp3", track="mix", loudness_lufs=-20)
    assert report.loudness is not None
    assert report.loudness["lufs"] == pytest.approx(-20, abs=0.3)
    assert report.warnings == ()


def test_tracks_without_sound_are_left_out_of_the_mix(tmp_path: Path) -> None:
    if not REPORTS.exists():
        missing(f"the files from reports ({REPORTS})")
    report = converted(REPORTS / "first-nopackets.ts", tmp_path / "a.mp3", track="mix")
    assert report.mixed_tracks == (2,)
    assert report.warnings == ("Audio tracks that gave nothing are left out: 1.",)
    assert report.duration_s == pytest.approx(3, abs=0.05)
    with pytest.raises(UndecodableAudio):
        converted(REPORTS / "emptyaudio.mp4", tmp_path / "a.mp3", track="mix")


def test_a_mix_has_limits_estimates_and_a_reason_to_wait(tmp_path: Path) -> None:
    file = tones(tmp_path / "a.mkv", tone(400, 0.3, 2), tone(1000, 0.3, 1))
    with FileSource(file) as source, (tmp_path / "a.mp3").open("wb") as sink:
        assert probe(source, Options(track="mix", bitrate_kbps=192)).estimated_size_bytes == pytest.approx(
            48_000, rel=0.02
        )
        with pytest.raises(AudioTooLong):
            convert(source, sink, Options(track="mix"), limits=Limits(max_audio_s=1.5))
    assert requires_full_input(resolved(track="mix")) == "mix"
    with pytest.raises(InvalidOption, match="track mix"):
        Options(track="mix", copy=True)
    with pytest.raises(InvalidOption, match="timing"):
        Options(track="mix", timing="packed")


def mixed_here(path: Path) -> "tuple[array[float], mixing.MixedTracks]":
    """Mixes in this process."""
    content = path.read_bytes()
    media = Media(SourceFile(lambda at, size: content[at : at + size], len(content)), len(content))
    tracks, samples = media.mixed(None), array("f")
    for frame, count, *_ in tracks.frames():
        samples.frombytes(bytes(memoryview(frame.planes[0]))[: 4 * count])
    media.close()
    return samples, tracks


def test_a_track_that_ends_early_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should give the same mix as if all packets were kept until the next packet of the track comes."""
    file = tones(tmp_path / "a.mkv", tone(400, 0.3, 6), tone(1000, 0.1, 1))
    expected, _ = mixed_here(file)
    monkeypatch.setattr(mixing, "MAX_WAITING_BYTES", 20_000)
    samples, tracks = mixed_here(file)
    assert tracks.mixed == [1, 2]
    assert (len(samples), samples) == (6 * RATE_HZ, expected)


def test_tracks_stay_aligned_where_one_starts_late_or_has_gaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should hold too where the track with gaps is suspended in them."""
    gaps = "asetnsamples=4800,aselect='between(t,2,2.99)+gte(t,5)'"
    file = tones(
        tmp_path / "a.mkv", tone(400, 0.3, 7), f"{tone(1000, 0.1, 6)},{gaps}", codec=("-c:a", "pcm_s16le", "-copyts")
    )
    expected, _ = mixed_here(file)
    seconds = [[value * 32768 for value in expected[n * RATE_HZ : (n + 1) * RATE_HZ]] for n in range(7)]
    assert [round(level_of(second, 1000), 2) for second in seconds] == [0, 0, 0.1, 0, 0, 0.1, 0]
    assert [round(level_of(second, 400), 2) for second in seconds] == [0.3] * 7
    monkeypatch.setattr(mixing, "MAX_WAITING_BYTES", 20_000)
    assert mixed_here(file)[0] == expected


def test_tracks_far_apart_in_the_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should mix them as long as the packets between them are few."""
    file = tmp_path / "apart.mkv"
    with av.open(tones(tmp_path / "a.mkv", tone(400, 0.3, 4), tone(1000, 0.1, 4))) as source:
        options = {"max_interleave_delta": "1"}
        with av.open(file, "w", options=options) as target:
            copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams.audio}
            packets = [packet for packet in source.demux() if packet.size]
            for packet in sorted(packets, key=lambda packet: packet.stream.index):
                packet.stream = copies[packet.stream.index]
                target.mux_one(packet)
    samples, _ = mixed_here(file)
    assert level_of([value * 32768 for value in samples[:RATE_HZ]], 1000) == pytest.approx(0.1, rel=0.05)
    monkeypatch.setattr(mixing, "MAX_WAITING_BYTES", 20_000)
    with pytest.raises(TracksFarApart):
        mixed_here(file)
