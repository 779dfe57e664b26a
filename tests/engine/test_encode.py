"""The encoder: LAME by its C functions, with joint stereo at every bitrate."""

import ctypes
import functools
import math
import random
import subprocess
from array import array
from pathlib import Path

import lameenc
import pytest

from tests.servers.programs import require_program
from video2mp3.engine.child.audio import lame
from video2mp3.engine.child.audio.encode import Encoder, settings_for
from video2mp3.engine.child.audio.lame import Lame
from video2mp3.engine.mp3.encoder_settings import EncoderSettings
from video2mp3.engine.mp3.frames import parse_header
from video2mp3.engine.mp3.writer import Mp3Writer

RATE = 48_000
_FORCED_STEREO_KBPS = 128
"""Above this, the package's class codes each channel alone."""
_MID_SIDE = 0x20
_JOINT_STEREO, _MONO = 1, 3
_CBR_METHOD, _JOINT_STEREO_IN_TAG = 1, 3


@functools.cache
def music(seconds: float, channels: int, rate: int = RATE) -> bytes:
    """Chords in the middle, with noise and a slower part that differ between the channels."""
    noise = random.Random(7)
    samples = array("h")
    for n in range(round(rate * seconds)):
        t = n / rate
        middle = sum(math.sin(2 * math.pi * f * t) for f in (220, 277.2, 329.6)) * 0.2
        side = math.sin(2 * math.pi * 0.5 * t) * math.sin(2 * math.pi * 880 * t) * 0.1 + noise.gauss(0, 0.01)
        for channel in range(channels):
            samples.append(int(32767 * max(-1.0, min(1.0, middle + (side, -side)[channel]))))
    return samples.tobytes()


def by_the_packages_class(settings: EncoderSettings, pcm: bytes) -> bytes:
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_channels(settings.channels)
    encoder.set_in_sample_rate(settings.sample_rate_hz)
    encoder.set_out_sample_rate(settings.sample_rate_hz)
    encoder.set_quality(settings.quality)
    if settings.vbr_quality is not None:
        encoder.set_vbr(4)
        encoder.set_vbr_quality(settings.vbr_quality)
    elif settings.average_kbps is not None:
        encoder.set_vbr(3)
        encoder.set_vbr_mean_bitrate_kbps(settings.average_kbps)
    else:
        encoder.set_bit_rate(settings.bitrate_kbps)
    return bytes(encoder.encode(pcm)) + bytes(encoder.flush())


def encode(settings: EncoderSettings, pcm: bytes) -> bytes:
    encoder = Encoder(settings)
    return encoder.encode(pcm) + encoder.finish()


def frame_modes(mp3: bytes) -> list[tuple[int, bool]]:
    """Of each frame its channel mode, and whether it is mid/side (ISO/IEC 11172-3 §2.4.2.3)."""
    found = []
    place = 0
    while (header := parse_header(mp3, place)) is not None:
        found.append((mp3[place + 3] >> 6, bool(mp3[place + 3] & _MID_SIDE)))
        place += header.size_bytes
    return found


def mid_side_share(mp3: bytes) -> float:
    modes = frame_modes(mp3)
    return sum(is_mid_side for _, is_mid_side in modes) / len(modes)


MODES = [(None, 0), (None, 4), (None, 9), (64, None), (128, None), (192, None), (320, None), (None, None, 100)]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_it_gives_the_bytes_of_the_packages_class_but_for_joint_stereo(rate: int, channels: int) -> None:
    """It should differ only where the class forces plain stereo, and then have the same size."""
    pcm = music(2, channels, rate)
    for mode in MODES:
        settings = settings_for(rate, channels, *mode)
        ours, theirs = encode(settings, pcm), by_the_packages_class(settings, pcm)
        assert len(ours) == len(theirs), mode
        forced = channels == 2 and (settings.bitrate_kbps or 0) > _FORCED_STEREO_KBPS
        assert (ours == theirs) is not forced or {m for m, _ in frame_modes(theirs)} == {_JOINT_STEREO}, mode


@pytest.mark.parametrize("bitrate_kbps", [160, 192, 256, 320])
def test_stereo_is_joint_as_ffmpegs_is(bitrate_kbps: int, tmp_path: Path) -> None:
    """It should code about as many frames as mid and side as ffmpeg does with the same settings."""
    pcm = music(4, 2)
    ours = encode(settings_for(RATE, 2, bitrate_kbps, None), pcm)
    (tmp_path / "sound.pcm").write_bytes(pcm)
    command = [require_program("ffmpeg"), "-v", "error", "-f", "s16le", "-ar", str(RATE), "-ac", "2"]
    command += [
        "-i",
        str(tmp_path / "sound.pcm"),
        "-b:a",
        f"{bitrate_kbps}k",
        "-write_xing",
        "0",
        "-id3v2_version",
        "0",
    ]
    subprocess.run([*command, str(tmp_path / "sound.mp3")], check=True)
    theirs = mid_side_share((tmp_path / "sound.mp3").read_bytes())
    assert abs(mid_side_share(ours) - theirs) <= 0.1
    assert theirs > 0.2
    # A control: this is what the package's class makes of it.
    assert mid_side_share(by_the_packages_class(settings_for(RATE, 2, bitrate_kbps, None), pcm)) == 0


@pytest.mark.parametrize(("channels", "kbps"), [(2, 192), (2, 320), (2, 128), (1, 192)])
def test_the_info_tag_says_cbr_and_joint_stereo(channels: int, kbps: int, tmp_path: Path) -> None:
    """It should be an Info tag of method 1, whose frame and stereo mode are those of the other frames."""
    settings = settings_for(RATE, channels, kbps, None)
    with (tmp_path / "sound.mp3").open("wb") as file:
        writer = Mp3Writer(file.fileno(), settings, id3=b"")
        writer.write(encode(settings, music(0.5, channels)))
        writer.finish(RATE // 2)
    mp3 = (tmp_path / "sound.mp3").read_bytes()
    modes = {mode for mode, _ in frame_modes(mp3)}
    assert modes == {_JOINT_STEREO if channels == 2 else _MONO}
    tag = mp3.index(b"Info")
    details = mp3.index(b"LAME", tag)
    assert mp3[details + 9] & 0x0F == _CBR_METHOD
    assert mp3[details + 24] >> 2 & 0x07 == (_JOINT_STEREO_IN_TAG if channels == 2 else 0)


def test_a_library_without_a_function_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It should not make other bytes in silence: the zygote ends with this line, which `doctor` shows."""
    monkeypatch.setattr(lame, "_library", ctypes.CDLL(None))
    with pytest.raises(AttributeError, match="lame_set_mode"):
        lame._function("lame_set_mode", ctypes.c_int)


def test_settings_that_lame_refuses_are_an_error() -> None:
    with pytest.raises(RuntimeError, match="LAME does not take num_channels 17"):
        Lame(17)
    with pytest.raises(RuntimeError, match="LAME does not take"):
        Lame(2, in_samplerate=-1)


def test_nothing_can_be_encoded_after_the_end() -> None:
    encoder = Lame(2, in_samplerate=RATE)
    encoder.encode(music(0.1, 2))
    assert encoder.finish()
    with pytest.raises(RuntimeError):
        encoder.encode(music(0.1, 2))
    encoder.close()
