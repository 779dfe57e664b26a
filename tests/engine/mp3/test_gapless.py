"""Players give out exactly the source's samples: every rate, channel count, mode and awkward length."""

import array
import itertools
import math
import random
from pathlib import Path
from typing import Any

import pytest
from mutagen.mp3 import MP3

from tests.engine.decoders import pcm_by_ffmpeg, pcm_by_mpg123, pcms_by_ffmpeg, pcms_by_mpg123
from tests.engine.sounds import tone
from video2mp3.engine.child.audio.encode import Encoder, lead_in_samples, settings_for
from video2mp3.engine.mp3.check import check_mp3
from video2mp3.engine.mp3.frames import RATES_HZ, parse_header
from video2mp3.engine.mp3.id3 import id3_tag
from video2mp3.engine.mp3.info_tag import ENCODER_DELAY, LAME_VERSION
from video2mp3.engine.mp3.writer import Mp3Writer

AWKWARD_LENGTHS = (1, 47, 48, 575, 576, 577, 1151, 1152, 1153, 1728, 5000)
MODES = {"cbr192": (192, None), "cbr32": (32, None), "v2": (None, 2), "v9": (None, 9)}


def make_mp3(path: Path, pcm: bytes, rate_hz: int, channels: int, mode: str, samples: int) -> Path:
    settings = settings_for(rate_hz, channels, *MODES[mode])
    encoder = Encoder(settings)
    with path.open("w+b") as file:
        writer = Mp3Writer(file.fileno(), settings, id3=id3_tag({"TSSE": "test"}))
        lead_in = lead_in_samples(rate_hz, samples)
        writer.write(encoder.encode(bytes(2 * channels * lead_in) + pcm))
        writer.write(encoder.finish())
        writer.finish(samples, ENCODER_DELAY + lead_in)
    return path


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_two_decoders_give_out_exactly_the_samples(rate_hz: int, tmp_path: Path) -> None:
    expected = {}
    for channels, (number, mode), more in itertools.product((1, 2), enumerate(MODES), (0, 4)):
        samples = AWKWARD_LENGTHS[(RATES_HZ.index(rate_hz) + channels + number + more) % len(AWKWARD_LENGTHS)]
        path, pcm = tmp_path / f"{channels}-{mode}-{samples}.mp3", tone(samples, channels, rate_hz)
        expected[make_mp3(path, pcm, rate_hz, channels, mode, samples)] = 2 * channels * samples
    for decode in (pcms_by_ffmpeg, pcms_by_mpg123):
        found = {path: len(pcm) for path, pcm in zip(expected, decode(*expected), strict=True)}
        assert found == expected


@pytest.mark.parametrize("rate_hz", [8000, 22050, 44100])
def test_every_awkward_length_is_exact(rate_hz: int, tmp_path: Path) -> None:
    paths = [
        make_mp3(tmp_path / f"{samples}.mp3", tone(samples, 2, rate_hz), rate_hz, 2, "cbr192", samples)
        for samples in AWKWARD_LENGTHS
    ]
    for decode in (pcms_by_ffmpeg, pcms_by_mpg123):
        assert [len(pcm) // 4 for pcm in decode(*paths)] == list(AWKWARD_LENGTHS)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_no_samples_at_all_make_a_file_that_passes_its_check(rate_hz: int, tmp_path: Path) -> None:
    path = make_mp3(tmp_path / "nothing.mp3", b"", rate_hz, 2, "cbr192", 0)
    with path.open("rb") as file:
        assert check_mp3(file.fileno(), 0, path.stat().st_size).samples == 0
    assert len(pcm_by_mpg123(path)) == 0


@pytest.mark.parametrize("rate_hz", [11025, 24000, 48000])
def test_the_sound_begins_where_it_did(rate_hz: int, tmp_path: Path) -> None:
    samples = 20_000
    pcm = tone(samples, 1, rate_hz, frequency_hz=440)
    path = make_mp3(tmp_path / "tone.mp3", pcm, rate_hz, 1, "cbr192", samples)
    for decoded in (pcm_by_ffmpeg(path), pcm_by_mpg123(path)):
        in_place = signal_to_noise_db(pcm, decoded)
        assert in_place > 25
        assert in_place > signal_to_noise_db(pcm[2:], decoded)  # the control: one sample off is worse
        assert in_place > signal_to_noise_db(pcm, decoded[2:])


def signal_to_noise_db(wanted: bytes, got: bytes) -> float:
    pairs = list(zip(array.array("h", wanted), array.array("h", got), strict=False))
    signal = sum(a * a for a, _ in pairs)
    noise = sum((a - b) ** 2 for a, b in pairs)
    return 10 * math.log10(signal / max(noise, 1))


def test_the_info_tag_has_the_checksums_of_its_frame_and_of_all_others(tmp_path: Path) -> None:
    """It should have them as the specification defines them, over more than one of the writer's blocks."""
    samples = 12 * 48_000
    data = make_mp3(tmp_path / "tone.mp3", tone(samples, 1, 48_000), 48_000, 1, "cbr192", samples).read_bytes()
    tag = data.index(b"Info")
    start = data.rindex(b"\xff\xfb", 0, tag)
    header = parse_header(data, start)
    assert header is not None
    end = tag + 156
    assert data[end - 2 : end] == crc16_by_definition(data[start : end - 2]).to_bytes(2, "big")
    frames = data[start + header.size_bytes :]
    assert len(frames) > 256 * 1024
    assert data[end - 4 : end - 2] == crc16_by_definition(frames).to_bytes(2, "big")


def crc16_by_definition(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


@pytest.mark.parametrize(("mode", "name"), [("cbr192", "CBR"), ("v2", "VBR")])
def test_another_reader_finds_the_length_and_the_mode_in_the_info_tag(mode: str, name: str, tmp_path: Path) -> None:
    samples = 100_000
    path = make_mp3(tmp_path / "tone.mp3", tone(samples, 2), 44100, 2, mode, samples)
    info: Any = MP3(path).info  # type: ignore[no-untyped-call]
    assert str(info.bitrate_mode) == f"BitrateMode.{name}"
    assert info.length == pytest.approx(samples / 44100, abs=1e-6)
    assert not info.sketchy


def test_seeking_by_the_table_of_contents_lands_near(tmp_path: Path) -> None:
    samples = 44100 * 20
    quiet, loud = (
        bytes(samples * 2),
        random.Random(1).randbytes(samples * 2),
    )  # a VBR file whose second half is much larger
    path = make_mp3(tmp_path / "halves.mp3", quiet + loud, 44100, 1, "v2", 2 * samples)
    data = path.read_bytes()
    toc = data[data.index(b"Xing") + 16 :][:100]
    assert list(toc) == sorted(toc)
    assert toc[0] <= 3
    assert toc[50] < 90  # half the time, much less than half the bytes
    assert toc[99] > 245


def test_the_tag_names_the_lame_that_really_encoded(tmp_path: Path) -> None:
    path = make_mp3(tmp_path / "tone.mp3", tone(5000), 44100, 1, "cbr192", 5000)
    version = LAME_VERSION.rstrip(b"\0")
    assert path.read_bytes().count(version) >= 2  # in the tag, and by LAME itself where a frame has room
