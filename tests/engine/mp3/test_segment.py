"""A segment that is cut out of a stream sounds as the stream does there."""

import array
import random
import subprocess
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.decoders import pcm_by_mpg123
from tests.engine.test_stitch import encoded
from tests.servers import require_program
from video2mp3.engine.child.audio.encode import settings_for
from video2mp3.engine.mp3.encoder_settings import EncoderSettings
from video2mp3.engine.mp3.frame import Frame, FrameSplitter, data_before, side_info_crc
from video2mp3.engine.mp3.frames import BrokenStream, samples_per_frame
from video2mp3.engine.mp3.info_tag import DECODER_DELAY, ENCODER_DELAY
from video2mp3.engine.mp3.segment import RecentFrames, filler_frame
from video2mp3.engine.mp3.writer import Mp3Writer

SAMPLES = 60_000
BEFORE = ENCODER_DELAY + DECODER_DELAY
MODES = (
    settings_for(44100, 2, 128, None),
    settings_for(44100, 1, None, 2),
    settings_for(48000, 2, 32, None),
    settings_for(48000, 1, 320, None),
    settings_for(24000, 2, 8, None),
    settings_for(22050, 2, None, None, 64),
    settings_for(8000, 2, 64, None),
)
MONO_OF_MPEG2 = (settings_for(24000, 1, 8, None), settings_for(22050, 1, None, 3), settings_for(8000, 1, 16, None))


def by_ffmpeg(path: Path, *, strict: bool = True) -> bytes:
    """What ffmpeg decodes, told that it is MP3, which it cannot see where there are few frames."""
    command = [require_program("ffmpeg"), "-v", "warning", "-f", "mp3", "-i", str(path), "-f", "s16le", "-"]
    result = subprocess.run(command, capture_output=True, check=True)
    assert not strict or not result.stderr
    return result.stdout


@lru_cache
def stream_of(mode: EncoderSettings) -> list[Frame]:
    chance = random.Random(3)
    values = [0.0]
    for n in range(SAMPLES * mode.channels):
        loud = 2500 if n // 9000 % 3 else 40
        values.append(0.9 * values[-1] + chance.uniform(-loud, loud))
    pcm = array.array("h", map(int, values[1:])).tobytes()
    return FrameSplitter().feed(encoded(mode, pcm))


def write(path: Path, mode: EncoderSettings, frames: list[Frame], samples: int, delay: int) -> Path:
    with path.open("w+b") as file:
        writer = Mp3Writer(
            file.fileno(),
            mode,
            id3=b"",
        )
        for frame in frames:
            writer.write(frame.data)
        writer.finish(samples, delay)
    return path


@lru_cache
def decoded(mode: EncoderSettings) -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "whole.mp3", mode, stream_of(mode), SAMPLES, ENCODER_DELAY)
        return by_ffmpeg(path), pcm_by_mpg123(path)


def segment_of(mode: EncoderSettings, first: int, samples: int, path: Path, *, filler: bool = True) -> Path:
    """Writes the segment with these samples; `filler`: with the frame that makes it whole."""
    frames, size = stream_of(mode), samples_per_frame(mode.sample_rate_hz)
    begin, end = (first + BEFORE) // size, -(-(first + samples + BEFORE) // size)
    recent = RecentFrames()
    for frame in frames[: max(begin, 1)]:
        recent.take(frame)
    start = recent.start_at(first + BEFORE)
    before = [*start.frames, *frames[max(begin, 1) : end]]
    if not filler:
        before[0] = before[0].silent().with_main_data(bytes(before[0].main_size))
    return write(path, mode, before, samples, start.delay)


def wanted(mode: EncoderSettings, first: int, samples: int) -> tuple[bytes, bytes]:
    size = 2 * mode.channels
    one, other = (pcm[first * size : (first + samples) * size] for pcm in decoded(mode))
    return one, other


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(mode=st.sampled_from(MODES), first=st.integers(0, 50_000), samples=st.integers(1152, 10_000))
def test_a_segment_decodes_to_the_same_bits(mode: EncoderSettings, first: int, samples: int) -> None:
    """It should hold for two decoders, wherever it begins and ends, and neither complains."""
    with TemporaryDirectory() as folder:
        path = segment_of(mode, first, samples, Path(folder) / "segment.mp3")
        assert (by_ffmpeg(path), pcm_by_mpg123(path)) == wanted(mode, first, samples)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(mode=st.sampled_from(MONO_OF_MPEG2), first=st.integers(0, 50_000), samples=st.integers(576, 10_000))
def test_in_mono_of_mpeg_2_mpg123_rounds_a_few_samples_otherwise(
    mode: EncoderSettings, first: int, samples: int
) -> None:
    with TemporaryDirectory() as folder:
        path = segment_of(mode, first, samples, Path(folder) / "segment.mp3")
        exact, nearly = wanted(mode, first, samples)
        assert by_ffmpeg(path) == exact
        pairs = zip(array.array("h", pcm_by_mpg123(path)), array.array("h", nearly), strict=True)
        assert {abs(one - other) for one, other in pairs} <= {0, 1}


@pytest.mark.parametrize("at", [0, 1, 1151, 1152])
def test_borders_of_frames_are_borders_of_segments(at: int, tmp_path: Path) -> None:
    mode = MODES[0]
    first = 20 * 1152 - BEFORE + at
    for samples in (1152, 1153, 2304 - at):
        path = segment_of(mode, first, samples, tmp_path / "segment.mp3")
        assert (by_ffmpeg(path), pcm_by_mpg123(path)) == wanted(mode, first, samples)


@pytest.mark.parametrize("mode", [MODES[0], MODES[2], MODES[4]])
def test_without_the_data_in_the_made_up_frame_it_sounds_otherwise(mode: EncoderSettings, tmp_path: Path) -> None:
    same = []
    for first in range(10_000, 40_000, 3000):
        path = segment_of(mode, first, 2000, tmp_path / "segment.mp3", filler=False)
        same.append(by_ffmpeg(path, strict=False) == wanted(mode, first, 2000)[0])
    assert not all(same)


def test_a_made_up_frame_keeps_the_bitrate_where_that_has_the_room() -> None:
    like = stream_of(MODES[0])[20]
    assert filler_frame(like, b"x" * 300).header.bitrate_kbps == 128
    larger = filler_frame(like, b"x" * 511)
    assert (larger.header.bitrate_kbps, larger.main_data_begin) == (192, 0)
    assert larger.main_data == bytes(larger.main_size - 511) + b"x" * 511


def test_a_made_up_frame_has_a_crc_where_the_others_do() -> None:
    plain = stream_of(MODES[0])[20]
    like = Frame(plain.data[:1] + b"\xfa" + plain.data[2:], replace(plain.header, protected=True))
    frame = filler_frame(like, b"data")
    assert frame.header.protected
    assert frame.data[4:6] == side_info_crc(frame.data[:4], bytes(32))
    assert frame.main_data.endswith(b"\0data")


def test_a_splitter_gives_frames_however_the_stream_is_cut() -> None:
    stream = b"".join(frame.data for frame in stream_of(MODES[1]))
    splitter = FrameSplitter()
    frames = [frame for place in range(0, len(stream), 97) for frame in splitter.feed(stream[place : place + 97])]
    assert [frame.data for frame in frames] == [frame.data for frame in stream_of(MODES[1])]
    with pytest.raises(BrokenStream):
        splitter.feed(b"TAG!")


def test_data_before_reaches_over_several_frames() -> None:
    frames = stream_of(MODES[4])[:50]
    whole = b"".join(frame.main_data for frame in frames)
    assert data_before(frames, 255) == whole[-255:]
    assert data_before(frames[:1], 255) == frames[0].main_data
    assert data_before(frames, 0) == b""
