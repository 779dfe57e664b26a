"""What shorter and longer chunks cost: CPU time of the encoders, next to one encoder for all."""

import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

from video2mp3.engine.child.audio.encode import Encoder, settings_for
from video2mp3.engine.child.audio.parallel import Chunking, EncoderPool, ParallelEncoder
from video2mp3.engine.mp3.encoder_settings import EncoderSettings

FRAMES = (98, 245, 490, 980, 1225, 2450)
OVERLAP_FRAMES = 35
_REPEATS = 3
_BLOCK_BYTES = 65536


def chunk_lengths(path: Path) -> dict[str, Any]:
    """Returns the curve of the CPU time beyond one encoder's, by the length of chunks, for four minutes of sound."""
    with wave.open(str(path)) as file:
        pcm = file.readframes(file.getnframes()) * 2
        settings = settings_for(file.getframerate(), file.getnchannels(), 192, None)
    alone = []
    extra: dict[int, list[float]] = {frames: [] for frames in FRAMES}
    for _ in range(_REPEATS):
        alone.append(_cpu_s(lambda: _encode_alone(settings, pcm)))
        for frames in FRAMES:
            extra[frames].append(_cpu_s(lambda: _encode_in_chunks(settings, pcm, frames)))  # noqa: B023 called now
    percent = [100 * (min(times) / min(alone) - 1) for times in extra.values()]
    return {
        "title": "CPU time of the encoders beyond one encoder's, by the length of chunks",
        "x": "frames in a chunk",
        "at": list(FRAMES),
        "y": "%",
        "series": {f"overlap of {OVERLAP_FRAMES} frames": percent},
    }


def _encode_alone(settings: EncoderSettings, pcm: bytes) -> None:
    encoder = Encoder(settings)
    for place in range(0, len(pcm), _BLOCK_BYTES):
        encoder.encode(pcm[place : place + _BLOCK_BYTES])
    encoder.finish()


def _encode_in_chunks(settings: EncoderSettings, pcm: bytes, frames: int) -> None:
    with EncoderPool(1) as pool:
        encoder = ParallelEncoder(settings, pool, Chunking(frames, OVERLAP_FRAMES))
        for place in range(0, len(pcm), _BLOCK_BYTES):
            list(encoder.encode(pcm[place : place + _BLOCK_BYTES]))
        list(encoder.finish())


def _cpu_s(work: Callable[[], None]) -> float:
    started_s = time.process_time()
    work()
    return time.process_time() - started_s
