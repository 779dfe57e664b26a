"""Fades PCM in and out, linearly."""

import array
from collections import deque
from collections.abc import Callable

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE


class Fade:
    """Takes interleaved 16-bit PCM. It buffers the length of the fade-out, because the end is not known in advance.

    Both lengths are on the file's clock: they include the silence that `skip` counts.
    """

    def __init__(self, sample_rate_hz: int, channels: int, fade_in_s: float, fade_out_s: float) -> None:
        self._channels = channels
        self._bytes_per_sample = BYTES_PER_SAMPLE * channels
        self._fade_in = round(fade_in_s * sample_rate_hz)
        self._fade_out = round(fade_out_s * sample_rate_hz)
        self._passed = 0
        self._held = bytearray()
        self._released = 0
        """Samples of PCM that came before those in `_held`."""
        self._held_length = 0
        """Samples in `_held`, with those in `_skipped`."""
        self._skipped: deque[tuple[int, int]] = deque()
        """Samples of PCM before each silence within the buffer, and its length."""

    def take(self, pcm: bytes) -> bytes:
        """Returns the PCM that is ready."""
        samples = len(pcm) // self._bytes_per_sample
        if self._passed < self._fade_in:
            start = self._passed
            pcm = self._scaled(pcm, lambda sample: min((start + sample) / self._fade_in, 1.0))
        self._passed += samples
        if not self._fade_out:
            return pcm
        self._held += pcm
        self._held_length += samples
        return self._ready()

    def skip(self, samples: int) -> None:
        """Counts samples that are left out: the fades go on during them."""
        self._passed += samples
        if self._fade_out:
            self._skipped.append((self._released + len(self._held) // self._bytes_per_sample, samples))
            self._held_length += samples

    def finish(self) -> bytes:
        """Returns the buffered PCM, faded out."""
        faded = [self._ready()]
        total = left = self._held_length
        for at, skipped in [*self._skipped, (self._released + len(self._held), 0)]:
            part = self._released_until(at)
            faded.append(self._faded_out(part, left, total))
            left -= len(part) // self._bytes_per_sample + skipped
        return b"".join(faded)

    def _ready(self) -> bytes:
        """Releases the PCM that comes before the fade-out, even if the audio ends now."""
        ready = bytearray()
        while (excess := self._held_length - self._fade_out) > 0:
            at, skipped = self._skipped[0] if self._skipped else (self._released + excess, excess)
            part = self._released_until(min(at, self._released + excess))
            ready += part
            excess -= len(part) // self._bytes_per_sample
            self._held_length -= len(part) // self._bytes_per_sample
            if self._skipped and excess > 0:
                self._skipped.popleft()
                self._held_length -= min(excess, skipped)
                if excess < skipped:
                    self._skipped.appendleft((at, skipped - excess))
        return bytes(ready)

    def _released_until(self, at: int) -> bytes:
        size = (at - self._released) * self._bytes_per_sample
        part = bytes(memoryview(self._held)[:size])
        del self._held[:size]
        self._released += len(part) // self._bytes_per_sample
        return part

    def _faded_out(self, pcm: bytes, left: int, total: int) -> bytes:
        return self._scaled(pcm, lambda sample: (left - 1 - sample) / total)

    def _scaled(self, pcm: bytes, gain_at: Callable[[int], float]) -> bytes:
        values, channels = array.array("h", pcm), self._channels
        return array.array("h", (round(v * gain_at(n // channels)) for n, v in enumerate(values))).tobytes()
