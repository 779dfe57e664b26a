"""Fades PCM in and out, linearly."""

import array
from collections.abc import Callable

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE


class Fade:
    """Takes interleaved 16-bit PCM. It buffers the length of the fade-out, because the end is not known in advance."""

    def __init__(self, sample_rate_hz: int, channels: int, fade_in_s: float, fade_out_s: float) -> None:
        self._channels = channels
        self._fade_in = round(fade_in_s * sample_rate_hz)
        self._held_bytes = round(fade_out_s * sample_rate_hz) * BYTES_PER_SAMPLE * channels
        self._held = bytearray()
        self._passed = 0

    def take(self, pcm: bytes) -> bytes:
        """Returns the PCM that is ready."""
        if self._passed < self._fade_in:
            start = self._passed
            self._passed += len(pcm) // (BYTES_PER_SAMPLE * self._channels)
            pcm = self._scaled(pcm, lambda sample: min((start + sample) / self._fade_in, 1.0))
        if not self._held_bytes:
            return pcm
        self._held += pcm
        ready = max(len(self._held) - self._held_bytes, 0)
        done = bytes(memoryview(self._held)[:ready])
        del self._held[:ready]
        return done

    def skip(self, samples: int) -> None:
        """Counts samples that are left out: the fades go on during them."""
        self._passed += samples

    def finish(self) -> bytes:
        """Returns the buffered PCM, faded out."""
        total = len(self._held) // (BYTES_PER_SAMPLE * self._channels)
        return self._scaled(bytes(self._held), lambda sample: (total - 1 - sample) / total)

    def _scaled(self, pcm: bytes, gain_at: Callable[[int], float]) -> bytes:
        values, channels = array.array("h", pcm), self._channels
        return array.array("h", (round(v * gain_at(n // channels)) for n, v in enumerate(values))).tobytes()
