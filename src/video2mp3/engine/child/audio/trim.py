"""Trims PCM, exact to the sample. Times are on the file's clock: gaps in the sound are counted by `skip`."""

from fractions import Fraction

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.errors import StartOutOfRange


class Trim:
    """Keeps the samples from round(start · rate) on and before round(end · rate)."""

    def __init__(self, sample_rate_hz: int, channels: int, start_s: float, end_s: float | None) -> None:
        self._bytes_per_sample = BYTES_PER_SAMPLE * channels
        self._start = round(Fraction(start_s) * sample_rate_hz)
        self._end = None if end_s is None else max(round(Fraction(end_s) * sample_rate_hz), self._start + 1)
        self._passed = 0
        self.samples = 0
        """Samples per channel kept so far."""

    @property
    def ended(self) -> bool:
        """True after the end of the range."""
        return self._end is not None and self._passed >= self._end

    def until_end(self, samples: int) -> int:
        """Returns how many of the next samples come before the end of the range."""
        return samples if self._end is None else min(max(self._end - self._passed, 0), samples)

    def skip(self, samples: int) -> int:
        """Counts samples without sound, and returns how many of them lie in the range."""
        first, last = self._range_in(samples)
        return last - first

    def take(self, pcm: bytes) -> bytes:
        """Returns the part of the next block that lies in the range."""
        samples = len(pcm) // self._bytes_per_sample
        first, last = self._range_in(samples)
        if last - first == samples:
            return pcm
        return pcm[first * self._bytes_per_sample : last * self._bytes_per_sample]

    def finish(self) -> None:
        """Checks that the range contained samples.

        Raises:
            StartOutOfRange: the audio ended before the start.
        """
        if self._start and not self.samples:
            raise StartOutOfRange

    def _range_in(self, samples: int) -> tuple[int, int]:
        """Counts the next samples, and returns which of them lie in the range."""
        first = min(max(self._start - self._passed, 0), samples)
        last = samples if self._end is None else min(max(self._end - self._passed, first), samples)
        self._passed += samples
        self.samples += last - first
        return first, last
