"""The limit: what the encoders need at least, with nothing else to do. Run as a program; prints JSON."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.decoding import decoded
from video2mp3.engine.child.audio.encode import Encoder, settings_for
from video2mp3.engine.child.audio.parallel import EncoderPool
from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE, PcmConverter, mp3_rate_for
from video2mp3.engine.cpus import available_cpus
from video2mp3.engine.mp3.encoder_settings import EncoderSettings

_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Mode:
    """What the MP3 is to be; None: as the engine chooses."""

    bitrate_kbps: int | None = None
    vbr_quality: int | None = None
    channels: int | None = None
    sample_rate_hz: int | None = None


def limit(path: Path, mode: Mode, threads: int) -> dict[str, float]:
    """Returns, in seconds, what the encoders alone take on PCM in memory, each its part, and what decoding costs."""
    settings, pcm, decode_cpu_s = _pcm(path, mode)
    whole_samples = BYTES_PER_SAMPLE * settings.channels
    part = len(pcm) // threads // whole_samples * whole_samples

    def encode(start: int) -> Callable[[], None]:
        def work() -> None:
            encoder = Encoder(settings)
            for place in range(start, start + part, _BLOCK_BYTES):
                encoder.encode(pcm[place : min(place + _BLOCK_BYTES, start + part)])
            encoder.finish()

        return work

    with EncoderPool(threads) as pool:
        encode_cpu_s = -time.process_time()
        encode_wall_s = -time.perf_counter()
        for task in [pool.submit(encode(number * part)) for number in range(threads)]:
            task.result()
        encode_wall_s += time.perf_counter()
        encode_cpu_s += time.process_time()
    return {
        "encode_wall_s": encode_wall_s,
        "encode_cpu_s": encode_cpu_s,
        "decode_cpu_s": decode_cpu_s,
        "limit_s": encode_wall_s + decode_cpu_s / min(threads, available_cpus()),
    }


def _pcm(path: Path, mode: Mode) -> tuple[EncoderSettings, bytes, float]:
    """Returns how to encode, what to encode, and the CPU time that decoding took, in seconds."""
    decode_cpu_s = -time.process_time()
    with decoded(path) as frames:
        for _ in frames:  # keeping them would cost more than decoding them
            pass
    decode_cpu_s += time.process_time()
    with decoded(path) as frames:
        first, samples, _ = next(frames)
        rate_hz = mode.sample_rate_hz or mp3_rate_for(first.sample_rate)
        settings = settings_for(
            rate_hz, mode.channels or min(first.layout.nb_channels, 2), mode.bitrate_kbps, mode.vbr_quality
        )
        converter = PcmConverter(rate_hz, settings.channels)
        blocks = list(converter.convert(first, samples))
        for frame, count, _ in frames:
            blocks += converter.convert(frame, count)
        return settings, b"".join([*blocks, *converter.finish()]), decode_cpu_s


def main() -> None:
    """Takes the flags of `video2mp3 convert`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limit", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--bitrate", type=int, metavar="KBPS")
    parser.add_argument("--vbr", type=int, metavar="0-9")
    parser.add_argument("--channels", type=int, choices=(1, 2))
    parser.add_argument("--sample-rate", type=int, metavar="HZ")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    mode = Mode(given.bitrate, given.vbr, given.channels, given.sample_rate)
    print(json.dumps(limit(given.file, mode, given.threads)))


if __name__ == "__main__":
    main()
