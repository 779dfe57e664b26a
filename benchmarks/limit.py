"""The limit: what two encoders need at least, with nothing else to do. Run as a program; prints JSON.

python -m benchmarks.limit FILE KBPS|V0…V9 THREADS
"""

import json
import os
import sys
import time
from pathlib import Path

from video2mp3.engine.decode import Media
from video2mp3.engine.encode import Encoder, settings_for
from video2mp3.engine.parallel import EncoderPool
from video2mp3.engine.pcm import PcmConverter
from video2mp3.engine.source import SourceFile

_BLOCK_BYTES = 2**20


def limit_s(path: Path, bitrate_kbps: int | None, vbr_quality: int | None, threads: int) -> dict[str, float]:
    """Returns the seconds that the encoders alone take on PCM in memory, each its part, and what decoding costs."""
    with path.open("rb") as file:
        size = path.stat().st_size
        decoder = Media(
            SourceFile(lambda offset, length: os.pread(file.fileno(), length, offset), size), size
        ).decoder()
        converter, channels = PcmConverter(48000, 2), 2
        blocks: list[bytes] = []
        decode_cpu_s = -time.process_time()
        frames = list(decoder.frames())
        decode_cpu_s += time.process_time()
        for frame, samples in frames:
            blocks += converter.convert(frame, samples)
        pcm = b"".join([*blocks, *converter.finish()])
    frames.clear()
    blocks.clear()
    settings = settings_for(48000, channels, bitrate_kbps, vbr_quality)
    part = len(pcm) // threads // 4 * 4

    def encode(start: int) -> None:
        encoder = Encoder(settings)
        for place in range(start, start + part, _BLOCK_BYTES):
            encoder.encode(pcm[place : min(place + _BLOCK_BYTES, start + part)])
        encoder.finish()

    with EncoderPool(threads) as pool:
        started_s = time.perf_counter()
        for task in [pool.submit(lambda start=n * part: encode(start)) for n in range(threads)]:  # type: ignore[misc]
            task.result()
        encode_wall_s = time.perf_counter() - started_s
    return {
        "encode_wall_s": encode_wall_s,
        "decode_cpu_s": decode_cpu_s,
        "limit_s": encode_wall_s + decode_cpu_s / threads,
    }


if __name__ == "__main__":
    file_name, mode, count = sys.argv[1:]
    quality = int(mode[1:]) if mode.startswith("V") else None
    print(json.dumps(limit_s(Path(file_name), None if mode.startswith("V") else int(mode), quality, int(count))))
