"""Puts the silence that belongs between decoded frames at its place in the PCM."""

from collections import deque
from collections.abc import Iterator, Sequence

from video2mp3.engine.child.audio.pcm import PcmConverter

_BLOCK_SAMPLES = 32768


class SoundAndSilence:
    """Divides a converter's PCM at gaps. The converter itself joins the sound, as its filter is costly to set up."""

    def __init__(self, converter: PcmConverter) -> None:
        self._converter = converter
        self._silences: deque[tuple[int, int]] = deque()
        """Positions in the sound and lengths, in samples per channel."""
        self._passed = 0
        self._silence_s = 0.0
        self._silence_samples = 0

    def add_silence(self, seconds: float) -> None:
        """Adds silence before the frame that the converter takes next. What is rounded does not add up."""
        if seconds:
            self._silence_s += seconds
            samples = round(self._silence_s * self._converter.sample_rate_hz) - self._silence_samples
            self._silence_samples += samples
            self.add_silent_samples(samples)

    def add_silent_samples(self, samples: int) -> None:
        """Adds silence before the frame that the converter takes next."""
        self._silences.append((self._converter.due, samples))

    def of(self, blocks: Sequence[bytes]) -> Iterator[bytes | int]:
        """Yields PCM, and the samples of silence between."""
        bytes_per_sample = self._converter.bytes_per_sample
        for block in blocks:
            start, end = self._passed, self._passed + len(block) // bytes_per_sample
            while self._silences and self._silences[0][0] < end:
                at, samples = self._silences.popleft()
                if at > self._passed:
                    yield block[(self._passed - start) * bytes_per_sample : (at - start) * bytes_per_sample]
                yield samples
                self._passed = at
            yield block[(self._passed - start) * bytes_per_sample :] if self._passed > start else block
            self._passed = end


def silent_blocks(samples: int, bytes_per_sample: int) -> Iterator[bytes]:
    """Yields PCM of silence."""
    whole = bytes(_BLOCK_SAMPLES * bytes_per_sample)
    for _ in range(samples // _BLOCK_SAMPLES):
        yield whole
    if rest := samples % _BLOCK_SAMPLES:
        yield bytes(rest * bytes_per_sample)
