"""The picture of a sound: how loud it is, from its start to its end. Runs in the child."""

from collections.abc import Callable
from itertools import chain
from typing import Any

from video2mp3.engine.decode import Media
from video2mp3.engine.pcm import BYTES_PER_SAMPLE, PcmConverter
from video2mp3.engine.report import LOUDEST, WAVEFORM_POINTS

_FIRST_STEP_SAMPLES = 64
# Of the high byte of a 16-bit sample: how far it is from silence.
_MAGNITUDE = bytes(value if value < LOUDEST else 2 * LOUDEST - value for value in range(256))
_UP_TO = [bytes(range(value + 1)) for value in range(LOUDEST + 1)]


class Envelope:
    """The highest peak in each of equally long steps of the whole. It needs to know no length: steps are doubled."""

    def __init__(self, channels: int) -> None:
        self._frame_bytes = BYTES_PER_SAMPLE * channels
        self.step_samples = _FIRST_STEP_SAMPLES
        """Samples per channel in each step."""
        self.peaks: list[int] = []
        """Of all channels together; from 0 to LOUDEST."""
        self._rest = b""

    def take(self, pcm: bytes) -> None:
        """Takes interleaved 16-bit PCM, little end first."""
        data = self._rest + pcm
        start = 0
        while len(data) - start >= (size := self.step_samples * self._frame_bytes):
            self._add(data[start : start + size])
            start += size
        self._rest = data[start:]

    def finish(self) -> None:
        """Takes the last step, which may be shorter."""
        if self._rest:
            self._add(self._rest)
        self._rest = b""

    def _add(self, pcm: bytes) -> None:
        self.peaks.append(_peak(pcm))
        if len(self.peaks) == 2 * WAVEFORM_POINTS:
            self.peaks = [max(pair) for pair in zip(self.peaks[::2], self.peaks[1::2], strict=True)]
            self.step_samples *= 2


def _peak(pcm: bytes) -> int:
    magnitudes = pcm[1::2].translate(_MAGNITUDE)
    # The highest of some, then of those above it, which are few: deleting is ten times as fast as looking at each.
    found = max(magnitudes[::16])
    return max(magnitudes.translate(None, _UP_TO[found]), default=found)


def measure(media: Media, max_audio_s: float, on_progress: Callable[[float], None]) -> dict[str, Any]:
    """Returns the waveform of the first track, as a message; `on_progress` is told the seconds done.

    What is longer than `max_audio_s` is measured so far only.
    """
    frames = media.decoder().frames()
    first = next(frames)
    converter = PcmConverter(first[0].sample_rate, min(first[0].layout.nb_channels, 2))
    envelope = Envelope(converter.channels)
    for frame, count in chain([first], frames):
        for block in converter.convert(frame, count):
            envelope.take(block)
            on_progress(converter.samples / converter.sample_rate_hz)
        if converter.samples > max_audio_s * converter.sample_rate_hz:
            break
    for block in converter.finish():
        envelope.take(block)
    envelope.finish()
    return {
        "peaks": envelope.peaks,
        "step_s": envelope.step_samples / converter.sample_rate_hz,
        "duration_s": converter.samples / converter.sample_rate_hz,
    }
