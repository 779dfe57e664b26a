import json
import math
from dataclasses import fields
from pathlib import Path

import pytest

from tests.engine.converting import by_ffprobe, converted, make
from tests.engine.decoders import samples_decoded
from tests.engine.sounds import write_wav
from video2mp3.engine import Options, ResolvedOptions
from video2mp3.engine.options import MODES
from video2mp3.engine.presets import PRESETS
from video2mp3.errors import InvalidOption


def test_options_survive_as_plain_values() -> None:
    for options in (
        Options(),
        Options(bitrate_kbps=128, title="A talk"),
        Options(vbr_quality=0, keep_tags=False, start_s=1, end_s=2.5),
        Options(preset="voice", track="deu", keep_private_tags=True),
    ):
        assert Options.from_dict(options.as_dict()) == options
        default = {} if set(MODES) & options.as_dict().keys() else {"preset": "standard"}
        assert options.resolved().requested() == default | options.as_dict()
    assert Options().as_dict() == {}
    assert Options.from_dict({"bitrate_kbps": None, "keep_tags": None}) == Options()


def test_a_preset_is_applied_once_and_defaults_are_filled_in() -> None:
    podcast = Options(preset="podcast", channels=1).resolved()
    assert (podcast.bitrate_kbps, podcast.loudness_lufs, podcast.start_s, podcast.channels) == (128, -16, 0.0, 1)
    standard = Options().resolved()
    assert (standard.preset, standard.vbr_quality, standard.bitrate_kbps) == ("standard", 2, None)
    assert Options(vbr_quality=2).resolved().bitrate_kbps is None
    assert Options(copy=True, track="2", split="600").resolved().requested() == {
        "copy": True,
        "track": 2,
        "split": 600.0,
    }


def test_resolved_options_survive_as_json() -> None:
    for options in (Options(preset="podcast", track="all"), Options(cover_picture=b""), Options(cover_picture=b"\xff")):
        resolved = options.resolved()
        assert ResolvedOptions.from_json(json.loads(json.dumps(resolved.as_json()))) == resolved
    written = Options(vbr_quality=2).resolved().as_json()
    del written["keep_tags"]  # an option that the version that has written it does not have
    assert ResolvedOptions.from_json(written) == Options(vbr_quality=2).resolved()
    with pytest.raises(ValueError, match="version 2"):
        ResolvedOptions.from_json({"version": 2})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"bitrate_kbps": 193}, "bitrate_kbps: 193 is not one of 8, 16"),
        ({"bitrate_kbps": "192"}, "bitrate_kbps: must be a whole number"),
        ({"bitrate_kbps": True}, "bitrate_kbps: must be a whole number"),
        ({"bitrate_kbps": 192.0}, "bitrate_kbps"),
        ({"vbr_quality": 10}, "vbr_quality: must be from 0 to 9"),
        ({"vbr_quality": -1}, "vbr_quality"),
        ({"average_kbps": 321}, "average_kbps"),
        ({"preset": "best"}, "preset: 'best' is not one of voice, podcast, standard, high, max"),
        ({"bitrate_kbps": 192, "vbr_quality": 2}, "bitrate_kbps"),
        ({"average_kbps": 192, "preset": "max"}, "preset: cannot be used together with average_kbps"),
        ({"channels": 3}, "channels: 3 is not one of 1, 2, left, right"),
        ({"sample_rate_hz": 44000}, "sample_rate_hz"),
        ({"start_s": -1}, "start_s"),
        ({"start_s": math.nan}, "start_s"),
        ({"end_s": math.inf}, "end_s"),
        ({"end_s": "5"}, "end_s: must be a number"),
        ({"start_s": 5, "end_s": 5}, "end_s: must be later than start_s"),
        ({"end_s": 0}, "end_s: must be from 0.001"),
        ({"track": 0}, "track"),
        ({"track": "0"}, "track"),
        ({"track": "the first"}, "track: must be a track's number"),
        ({"track": "²"}, "track"),
        ({"track": 1.5}, "track: must be a whole number or text"),
        ({"title": 5}, "title: must be text"),
        ({"title": "x" * 301}, "title: must not be longer than 300"),
        ({"date": "last year"}, "date"),
        ({"date": "2024-13"}, "date"),
        ({"track_number": 0}, "track_number"),
        ({"keep_tags": 1}, "keep_tags: must be true or false"),
        ({"keep_tags": False, "keep_private_tags": True}, "keep_private_tags"),
        ({"fade_in_s": 61}, "fade_in_s: must be from 0 to 60"),
        ({"fail_on_damage": "yes"}, "fail_on_damage"),
        ({"bitrate": 192}, "bitrate"),
        ({"cover": "none", "cover_at_s": 1}, "cover: none cannot be used together with cover_at_s"),
        ({"cover": "none", "cover_picture": b""}, "cover: none cannot be used together with cover_picture"),
        ({"cover_at_s": 1, "cover_picture": b""}, "cover_at_s: cannot be used together with cover_picture"),
        ({"cover_at_s": -1}, "cover_at_s: must be from 0"),
        ({"cover_picture": "a.jpg"}, "cover_picture: must be bytes"),
        ({"cover_picture": bytes(5_000_001)}, "cover_picture: must not be larger than 5 MB"),
        ({"split": "words"}, "split: must be chapters, silence or a number"),
        ({"split": 0.5}, "split"),
        ({"split": "0.5"}, "split"),
        ({"split": True}, "split"),
        ({"split": 2, "silence_s": 1}, "silence_s: is only for split silence"),
        ({"silence_db": -20}, "silence_db: is only for split silence"),
        ({"split": "silence", "silence_s": 0.1}, "silence_s: must be from 0.2"),
        ({"copy": True, "vbr_quality": 2}, "copy: cannot be used together with vbr_quality"),
        ({"copy": True, "preset": "voice"}, "copy: cannot be used together with preset"),
        ({"own_chapters": " \n"}, "own_chapters: must have at least one line"),
        ({"own_chapters": "Intro 0:00"}, "own_chapters: line 1 must be a time and a title"),
        ({"own_chapters": "0:00 a\n\n1:60 b"}, "own_chapters: line 3 must be a time and a title"),
        ({"own_chapters": "1:60:00 b"}, "own_chapters: line 1 must be a time and a title"),
        ({"own_chapters": "1:00 a\r\n60.0 b"}, "own_chapters: line 2 must begin later"),
        ({"own_chapters": "9999999 a\n10000000"}, "own_chapters: line 2"),
        ({"own_chapters": "0:00 " + "x" * 301}, "own_chapters: the title in line 1 must not be longer than 300"),
        ({"own_chapters": "\n".join(map(str, range(1000)))}, "own_chapters: must not be more than 999 chapters"),
        ({"own_chapters": "é" * 24_001}, "own_chapters: must not be longer than 48000 bytes"),
        ({"own_chapters": "0 a", "chapters": False}, "own_chapters: cannot be used where chapters is false"),
        ({"copy": True, "fade_in_s": 1}, "copy: cannot be used together with fade_in_s"),
    ],
)
def test_a_bad_option_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        Options.from_dict(values)


def test_every_option_says_what_it_does() -> None:
    for option in fields(Options):
        assert option.metadata["description"].endswith(".")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_stands_for_other_options(preset: str, tmp_path: Path) -> None:
    """It should give the bytes that the options give, and yield to an option beside it."""
    source = write_wav(tmp_path / "a.wav", 60_000, 2)
    by_name = converted(source, tmp_path / "1.mp3", preset=preset)
    assert converted(source, tmp_path / "2.mp3", **PRESETS[preset]).sha256 == by_name.sha256
    assert converted(source, tmp_path / "3.mp3", preset=preset, sample_rate_hz=16000).mp3_sample_rate_hz == 16000


@pytest.mark.parametrize("kbps", [48, 96, 160])
def test_an_average_bitrate_comes_out_as_it_does_with_ffmpeg(kbps: int, tmp_path: Path) -> None:
    noise = "anoisesrc=color=pink:amplitude=0.3:sample_rate=44100:duration=12:seed="
    inputs = [a for seed in "12" for a in ("-f", "lavfi", "-i", noise + seed)]
    source = make(tmp_path / "a.wav", *inputs, "-filter_complex", "join=inputs=2:channel_layout=stereo")
    theirs = make(tmp_path / "theirs.mp3", "-i", str(source), "-abr", "1", "-b:a", f"{kbps}k", "-ar", "44100")
    report = converted(source, tmp_path / "a.mp3", average_kbps=kbps)
    assert report.encoder == {"bitrate_kbps": None, "vbr_quality": None, "average_kbps": kbps, "quality": 3}
    bit_rate = by_ffprobe(tmp_path / "a.mp3")["container_bit_rate"]
    assert bit_rate == pytest.approx(by_ffprobe(theirs)["container_bit_rate"], rel=0.03)
    assert bit_rate == pytest.approx(kbps * 1000, rel=0.25)
    assert samples_decoded(tmp_path / "a.mp3", 2) == (44100 * 12, 44100 * 12)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("rate_hz", "samples"), [(48000, 48001), (16000, 16000), (8000, 8000)])
def test_channels_and_sample_rate_are_those_asked_for(
    channels: int, rate_hz: int, samples: int, tmp_path: Path
) -> None:
    source = write_wav(tmp_path / "a.wav", 44101, 3 - channels)
    converted(source, tmp_path / "a.mp3", channels=channels, sample_rate_hz=rate_hz)
    found = by_ffprobe(tmp_path / "a.mp3")
    assert (found["channels"], found["sample_rate"]) == (channels, str(rate_hz))
    assert samples_decoded(tmp_path / "a.mp3", channels) == (samples, samples)
