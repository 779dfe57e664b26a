import array
import math
import subprocess
import tempfile
from pathlib import Path

import pytest
from av import AudioFrame, AudioResampler

from tests.engine.sounds import tone
from tests.servers import require_program
from video2mp3.engine.child.audio.pcm import PcmConverter, mp3_rate_for


def frame_of(samples: list[list[float]], rate_hz: int, layout: str) -> AudioFrame:
    frame = AudioFrame("fltp", layout, len(samples[0]))
    frame.sample_rate = rate_hz
    for plane, values in zip(frame.planes[: len(samples)], samples, strict=True):
        plane.update(array.array("f", values).tobytes())
    return frame


def through(frames: list[AudioFrame], rate_hz: int, channels: int | str) -> "array.array[int]":
    converter = PcmConverter(rate_hz, channels)
    pcm = b"".join(block for frame in frames for block in converter.convert(frame, frame.samples))
    return array.array("h", pcm + b"".join(converter.finish()))


def sine(frequency_hz: float, rate_hz: int, samples: int, level: float = 1.0) -> list[float]:
    return [level * math.sin(2 * math.pi * frequency_hz * i / rate_hz) for i in range(samples)]


@pytest.mark.parametrize(
    ("rate_hz", "mp3_rate_hz"),
    [
        (8000, 8000),
        (44100, 44100),
        (48000, 48000),
        (44000, 44100),
        (37800, 44100),
        (96000, 48000),
        (88200, 44100),
        (192000, 48000),
        (80000, 48000),
        (7350, 8000),
    ],
)
def test_the_rate_is_the_lowest_that_loses_nothing(rate_hz: int, mp3_rate_hz: int) -> None:
    assert mp3_rate_for(rate_hz) == mp3_rate_hz


@pytest.mark.parametrize("rate_hz", [44000, 96000, 80000, 7350, 192000])
@pytest.mark.parametrize("samples", [1, 20, 1000, 5000])
def test_another_rate_has_exactly_the_rounded_number_of_samples(rate_hz: int, samples: int) -> None:
    target_hz = mp3_rate_for(rate_hz)
    out = through([frame_of([sine(440, rate_hz, samples)], rate_hz, "mono")], target_hz, 1)
    assert len(out) == math.floor(samples * target_hz / rate_hz + 0.5)


@pytest.mark.parametrize("frequency_hz", [25_000, 26_000, 30_000, 36_000, 47_000])
def test_resampling_leaves_nothing_audible(frequency_hz: int) -> None:
    out = through([frame_of([sine(frequency_hz, 96_000, 20_000)], 96_000, "mono")], 48_000, 1)
    assert max(map(abs, out[1000:-1000])) <= 1  # the last bit: 90 dB below what came in


def test_resampling_keeps_what_can_be_heard() -> None:
    out = through([frame_of([sine(20_000, 96_000, 20_000, 0.5)], 96_000, "mono")], 48_000, 1)
    assert max(out[1000:-1000]) == pytest.approx(16384, rel=0.01)


def test_surround_is_mixed_down_as_ffmpeg_does() -> None:
    samples = 2000
    channels = [sine(200 * (i + 1), 48_000, samples, 0.3) for i in range(6)]
    ours = through([frame_of(channels, 48_000, "5.1")], 48_000, 2)
    interleaved = array.array("f", (value for row in zip(*channels, strict=True) for value in row))
    command = [require_program("ffmpeg"), "-v", "error", "-f", "f32le", "-ar", "48000", "-ac", "6", "-i", "-"]
    command += ["-ac", "2", "-f", "s16le", "-"]
    result = subprocess.run(command, input=interleaved.tobytes(), capture_output=True, check=True)
    theirs = array.array("h", result.stdout)
    assert len(ours) == len(theirs)
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1
    assert max(map(abs, ours)) > 5000


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8, 12])
def test_every_channel_without_a_layout_is_audible(count: int, channels: int) -> None:
    for heard in range(count):
        samples = [sine(440, 48_000, 2000, 0.9 if channel == heard else 0.0) for channel in range(count)]
        out = through([frame_of(samples, 48_000, f"{count} channels")], 48_000, channels)
        assert max(map(abs, out)) > 1500, heard


def test_any_two_channels_are_left_and_right() -> None:
    left, right = sine(440, 48_000, 2000, 0.5), sine(700, 48_000, 2000, 0.5)
    wanted = through([frame_of([left, right], 48_000, "stereo")], 48_000, 2)
    for layout in ("2 channels", "FC+LFE", "FL+FC", "FL+BL"):
        out = through([frame_of([left, right], 48_000, layout)], 48_000, 2)
        assert max(abs(a - b) for a, b in zip(out, wanted, strict=True)) <= 1, layout


def test_of_ambisonics_the_sound_from_all_directions_is_heard() -> None:
    samples = [sine(440, 48_000, 2000, 0.5), *(sine(900, 48_000, 2000, 0.5) for _ in range(3))]
    for channels, layout in ((1, "mono"), (2, "stereo")):
        wanted = through([frame_of(samples[:1] * channels, 48_000, layout)], 48_000, channels)
        out = through([frame_of(samples, 48_000, "ambisonic 1")], 48_000, channels)
        assert max(abs(a - b) for a, b in zip(out, wanted, strict=True)) <= 1


def test_what_is_not_a_number_becomes_zero_and_nothing_else_changes() -> None:
    clean = sine(440, 44100, 1000, 0.5)
    dirty = list(clean)
    for place, value in ((10, math.nan), (20, math.inf), (30, -math.inf), (40, 1e38)):
        dirty[place] = value
    out, wanted = (
        through([frame_of([dirty], 44100, "mono")], 44100, 1),
        through([frame_of([clean], 44100, "mono")], 44100, 1),
    )
    assert [i for i in range(1000) if out[i] != wanted[i]] == [10, 20, 30, 40]
    assert [out[i] for i in (10, 20, 30, 40)] == [0, 0, 0, 0]


def test_a_change_of_format_on_the_way_loses_nothing() -> None:
    frames = [
        frame_of([sine(440, 48_000, 1024)] * 2, 48_000, "stereo"),
        frame_of([sine(440, 48_000, 1024)], 48_000, "mono"),
        frame_of([sine(440, 24_000, 1024)] * 6, 24_000, "5.1"),
        frame_of([sine(440, 48_000, 1024)] * 2, 48_000, "stereo"),
    ]
    assert len(through(frames, 48_000, 2)) == 2 * (1024 + 1024 + 2048 + 1024)


def test_only_the_samples_that_count_come_out() -> None:
    converter = PcmConverter(48_000, 1)
    pcm = b"".join(converter.convert(frame_of([sine(440, 48_000, 1024)], 48_000, "mono"), 1000))
    pcm += b"".join(converter.finish())
    assert (len(pcm) // 2, converter.samples) == (1000, 1000)


def test_sixteen_bits_pass_unchanged(tmp_path: Path) -> None:
    pcm = tone(3000, 2)
    frame = AudioFrame("s16", "stereo", 3000)
    frame.sample_rate = 44100
    frame.planes[0].update(pcm)
    with tempfile.TemporaryFile():
        assert through([frame], 44100, 2).tobytes() == pcm


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
def test_one_channel_alone_is_that_of_the_stereo_sound(layout: str) -> None:
    channels = [sine(300 * (i + 1), 48_000, 2000, 0.3) for i in range({"mono": 1, "stereo": 2, "5.1": 6}[layout])]
    both = through([frame_of(channels, 48_000, layout)], 48_000, 2)
    assert through([frame_of(channels, 48_000, layout)], 48_000, "left") == both[::2]
    assert through([frame_of(channels, 48_000, layout)], 48_000, "right") == both[1::2]


def test_mono_is_as_loud_on_each_of_two_channels() -> None:
    mono = through([frame_of([sine(440, 48_000, 2000, 0.5)], 48_000, "mono")], 48_000, 1)
    both = through([frame_of([sine(440, 48_000, 2000, 0.5)], 48_000, "mono")], 48_000, 2)
    assert both[::2] == both[1::2] == mono


LEFT = sine(440, 48_000, 9000, 0.5)
CANCELED = {
    "inverted": ([-value for value in LEFT], True),
    "inverted and quieter": ([-0.7 * value for value in LEFT], True),
    "inverted and much quieter": ([-0.3 * value for value in LEFT], False),
    "the same": (LEFT, False),
    "another tone": (sine(700, 48_000, 9000, 0.5), False),
    "a quarter later": (sine(440, 48_000, 9027, 0.5)[27:], False),
    "silence": ([0.0] * 9000, False),
}


@pytest.mark.parametrize("sample_format", ["fltp", "flt", "s16", "s16p", "s32", "u8", "dbl"])
@pytest.mark.parametrize("right", CANCELED)
def test_channels_that_cancel_each_other_out_in_mono_are_found(right: str, sample_format: str) -> None:
    samples, is_canceled = CANCELED[right]
    frame = AudioResampler(sample_format).resample(frame_of([LEFT, samples], 48_000, "stereo"))[0]
    for channels in (1, 2, "left"):
        converter = PcmConverter(48_000, channels)
        converter.convert(frame, frame.samples)
        converter.finish()
        assert converter.is_canceled == (is_canceled and channels == 1)
