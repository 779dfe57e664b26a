"""Every mode against a sequential encode of the same sound. `make matrix` runs all of it; `make test` a part."""

import array
import hashlib
import math
import operator
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest

from tests.engine.decoders import pcm_by_ffmpeg, pcm_by_mpg123
from tests.servers import require_program
from video2mp3.engine.child.audio.encode import Encoder, settings_for
from video2mp3.engine.child.audio.parallel import Chunking, EncoderPool, ParallelEncoder, chunking_for
from video2mp3.engine.mp3.encoder_settings import EncoderSettings
from video2mp3.engine.mp3.frames import samples_per_frame
from video2mp3.engine.mp3.stitch import Joint
from video2mp3.engine.mp3.writer import Mp3Writer

ALL = bool(os.environ.get("TESTS_MATRIX"))
SEAM_FRAMES = 6
REPEATED_S = 7.3
"""In the short form: to make the sound takes five times as long as to encode it."""

CBR = [
    (44100, 2, 320), (44100, 2, 192), (44100, 2, 128), (44100, 2, 96), (44100, 2, 64), (44100, 2, 32),
    (44100, 1, 320), (44100, 1, 128), (44100, 1, 64), (48000, 2, 256), (48000, 2, 192), (48000, 2, 112),
    (48000, 1, 96), (48000, 1, 64), (48000, 1, 40), (32000, 2, 160), (32000, 1, 56), (24000, 2, 160),
    (24000, 1, 64), (24000, 1, 32), (22050, 2, 96), (22050, 1, 48), (22050, 1, 16), (16000, 1, 24),
    (16000, 2, 64), (12000, 2, 64), (12000, 1, 24), (11025, 1, 32), (8000, 1, 16), (8000, 2, 32),
]  # fmt: skip
VBR = [
    (44100, 2, 0), (44100, 2, 2), (44100, 2, 5), (44100, 1, 3), (48000, 2, 2), (48000, 2, 4), (48000, 2, 9),
    (48000, 1, 0), (32000, 2, 6), (24000, 2, 2), (22050, 1, 5), (16000, 1, 1), (12000, 2, 4), (8000, 1, 9),
]  # fmt: skip
ABR = [
    (44100, 2, 256), (44100, 2, 128), (44100, 1, 80), (48000, 2, 160), (48000, 1, 64), (32000, 2, 112), (24000, 1, 48),
    (22050, 2, 64), (8000, 1, 24),
]  # fmt: skip
MODES = (
    [settings_for(rate, channels, kbps, None) for rate, channels, kbps in CBR]
    + [settings_for(rate, channels, None, quality) for rate, channels, quality in VBR]
    + [settings_for(rate, channels, None, None, kbps) for rate, channels, kbps in ABR]
)
CHUNKS = (2, 6)
COMBINATIONS = [(settings, chunks) for settings in MODES for chunks in CHUNKS]
IN_MAKE_TEST = [
    (settings_for(44100, 2, 192, None), 4),
    (settings_for(48000, 2, None, 2), 4),
    (settings_for(48000, 1, 64, None), 4),
    (settings_for(24000, 1, None, None, 48), 4),
]


@dataclass(frozen=True)
class Decoded:
    samples: Sequence[int]

    def snr_db(self, source: Sequence[int], first: int = 0, last: int | None = None) -> float:
        wanted, found = source[first:last], self.samples[first:last]
        error = list(map(operator.sub, wanted, found))
        power = [sum(map(operator.mul, values, values)) + 1 for values in (wanted, error)]
        return 10 * math.log10(power[0] / power[1])


def shortened(settings: EncoderSettings, chunks: int) -> Chunking:
    """Shorter chunks than in use where there are many, but the same overlap."""
    usual = chunking_for(settings)
    frames = usual.frames if chunks == 2 else 49 * math.ceil(max(usual.frames / 5, usual.overlap * 2) / 49)
    return Chunking(frames, usual.overlap)


@lru_cache(1)
def sound(rate_hz: int, channels: int, samples: int) -> bytes:
    """Tones that swell, noise in bursts and pauses, a little different in each channel."""
    notes = " + ".join(
        f"{0.12 / (n + 1):.3f}*sin(2*PI*{110 * 1.33**n:.1f}*t + sin({3 + n}*t))*(0.6+0.4*sin({0.7 + 0.31 * n:.2f}*t))"
        for n in range(6)
    )
    burst = "0.25*(random({0})-0.5)*lt(mod(t*{1},1),0.15)"
    channel = "({notes} + {burst} + 0.01*(random({1})-0.5))*lt(mod(t*0.37,1),0.85)"
    expressions = [
        channel.format(5, number + 3, notes=notes, burst=burst.format(number + 1, 2.3 + number / 7))
        for number in range(channels)
    ]
    layout = "mono" if channels == 1 else "stereo"
    seconds = samples / rate_hz + 1 if ALL else REPEATED_S
    graph = f"aevalsrc='{'|'.join(expressions)}':s={rate_hz}:c={layout}:d={seconds}"
    command = [require_program("ffmpeg"), "-v", "error", "-f", "lavfi", "-i", graph, "-f", "s16le", "-"]
    pcm = subprocess.run(command, capture_output=True, check=True).stdout
    wanted_bytes = 2 * channels * samples
    return (pcm * math.ceil(wanted_bytes / len(pcm)))[:wanted_bytes]


def write(path: Path, settings: EncoderSettings, mp3: bytes, samples: int) -> None:
    with path.open("wb") as file:
        writer = Mp3Writer(
            file.fileno(),
            settings,
            id3=b"",
        )
        writer.write(mp3)
        writer.finish(samples)


def decoded(path: Path, channels: int, samples: int) -> Decoded:
    pcm = array.array("h", pcm_by_ffmpeg(path))
    assert len(pcm) == samples * channels
    return Decoded(pcm)


def encoded_in_parallel(
    settings: EncoderSettings, pcm: bytes, chunking: Chunking, threads: int
) -> tuple[bytes, list[tuple[int, Joint]]]:
    with EncoderPool(threads) as pool:
        encoder = ParallelEncoder(settings, pool, chunking)
        mp3 = b"".join([*encoder.encode(pcm), *encoder.finish()])
    return mp3, encoder.stitcher.seams


def name_of(value: object) -> str:
    if not isinstance(value, EncoderSettings):
        return str(value)
    mode = f"V{value.vbr_quality}" if value.vbr_quality is not None else f"{value.bitrate_kbps or value.average_kbps}k"
    return f"{value.sample_rate_hz}-{value.channels}-{'ABR-' * (value.average_kbps is not None)}{mode}"


@pytest.mark.parametrize(("settings", "chunks"), COMBINATIONS if ALL else IN_MAKE_TEST, ids=name_of)
def test_chunks_make_the_same_as_a_sequential_encode(settings: EncoderSettings, chunks: int, tmp_path: Path) -> None:
    chunking = shortened(settings, chunks)
    frame, channels = samples_per_frame(settings.sample_rate_hz), settings.channels
    samples = (chunking.frames * chunks + 10) * frame + 123
    pcm = sound(settings.sample_rate_hz, channels, samples)
    mp3, seams = encoded_in_parallel(settings, pcm, chunking, 2)
    encoder = Encoder(settings)
    sequential = encoder.encode(pcm) + encoder.finish()

    assert len(seams) == chunks - (chunking.overlap >= 10)
    assert Joint.SILENCED not in {joint for _, joint in seams}
    assert abs(len(mp3) / len(sequential) - 1) <= 0.002
    digests = {
        hashlib.sha256(encoded_in_parallel(settings, pcm, chunking, threads)[0]).digest()
        for threads in ((1, 3, 8) if ALL else (1,))
    }
    assert digests == {hashlib.sha256(mp3).digest()}

    path, other = tmp_path / "a.mp3", tmp_path / "b.mp3"
    write(path, settings, mp3, samples)
    write(other, settings, sequential, samples)
    assert len(pcm_by_mpg123(path)) == 2 * channels * samples
    ours, theirs = decoded(path, channels, samples), decoded(other, channels, samples)
    source = array.array("h", pcm)
    for cut, _ in seams:
        first, last = ((cut + step) * frame * channels for step in (-SEAM_FRAMES, SEAM_FRAMES))
        assert ours.snr_db(source, first, last) > theirs.snr_db(source, first, last) - 0.3, f"seam at frame {cut}"
    if ALL:
        assert abs(ours.snr_db(source) - theirs.snr_db(source)) <= 0.05
