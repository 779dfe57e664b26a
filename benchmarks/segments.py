"""What shorter and longer segments cost: CPU time of the encoders, next to one encoder for all."""

import time
import wave
from pathlib import Path

from benchmarks.report import plot
from video2mp3.engine.encode import Encoder, settings_for
from video2mp3.engine.parallel import EncoderPool, ParallelEncoder, Segmentation

FRAMES = (98, 245, 490, 980, 1225, 2450)
_REPEATS = 3


def plot_segment_lengths(path: Path) -> None:
    """Draws the extra CPU time by the length of segments, for two minutes of sound and more."""
    with wave.open(str(path)) as file:
        pcm = file.readframes(file.getnframes()) * 2
    settings = settings_for(48000, 2, 192, None)
    alone, extra = [], {frames: [] for frames in FRAMES}  # type: ignore[var-annotated]
    for _ in range(_REPEATS):
        started_s = time.process_time()
        encoder = Encoder(settings)
        encoder.encode(pcm)
        encoder.finish()
        alone.append(time.process_time() - started_s)
        for frames in FRAMES:
            started_s = time.process_time()
            with EncoderPool(1) as pool:
                parallel = ParallelEncoder(settings, pool, Segmentation(frames, 35))
                for place in range(0, len(pcm), 65536):
                    list(parallel.encode(pcm[place : place + 65536]))
                list(parallel.finish())
            extra[frames].append(time.process_time() - started_s)
    percent = [100 * (min(times) / min(alone) - 1) for times in extra.values()]
    for frames, cost in zip(FRAMES, percent, strict=True):
        print(f"  segments of {frames} frames: {cost:+.1f} % CPU", flush=True)
    title = "CPU time beyond one encoder's"
    plot("segments", title, ("frames in a segment", FRAMES), "%", {"overlap of 35 frames": percent})
