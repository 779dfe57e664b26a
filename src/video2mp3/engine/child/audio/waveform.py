"""Measures the peaks of audio for its waveform. Runs in the child.

A conversion records them from the PCM that it encodes, which takes 1 % of its time; decoding the MP3 later would
take 20 %. They can differ slightly from the peaks of the MP3, because the encoder is lossy.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from av import AudioFrame

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE, PcmConverter
from video2mp3.engine.child.audio.silence import SoundAndSilence
from video2mp3.engine.report import LOUDEST, WAVEFORM_POINTS

_FIRST_STEP_SAMPLES = 64
# Maps the high byte of a 16-bit sample to its magnitude.
_MAGNITUDE = bytes(value if value < LOUDEST else 2 * LOUDEST - value for value in range(256))
_UP_TO = [bytes(byte for byte in range(256) if _MAGNITUDE[byte] <= value) for value in range(LOUDEST + 1)]


_SAMPLED = 128
"""One of so many values is compared first: about the square root of the values in a step."""
_FINE_PEAKS = 2**18
"""Number of peaks if segments follow: enough for a thousand peaks in each of 255 segments."""


class WaveformPeaks:
    """The highest peak in each of equally long steps. The length need not be known: steps are doubled as needed."""

    def __init__(self, channels: int, *, fine: bool = False) -> None:
        """`fine`: keeps enough peaks for the waveforms of many segments."""
        self._most_peaks = _FINE_PEAKS if fine else 2 * WAVEFORM_POINTS
        self._frame_bytes = BYTES_PER_SAMPLE * channels
        self.step_samples = _FIRST_STEP_SAMPLES
        """Samples per channel in each step."""
        self.peaks: list[int] = []
        """Maximum over all channels, from 0 to LOUDEST."""
        self._rest = b""

    def take(self, pcm: bytes) -> None:
        """Takes interleaved 16-bit PCM, little-endian."""
        data = self._rest + pcm
        start = 0
        while len(data) - start >= (size := self.step_samples * self._frame_bytes):
            self._add(data[start : start + size])
            start += size
        self._rest = data[start:]

    def take_silence(self, samples: int) -> None:
        """Takes silence, which takes hardly any time however long it is."""
        first = min(samples, self.step_samples - len(self._rest) // self._frame_bytes)
        self.take(bytes(first * self._frame_bytes))
        samples -= first
        while samples >= self.step_samples:
            samples -= self.step_samples
            self._append(0)
        self.take(bytes(samples * self._frame_bytes))

    def finish(self) -> None:
        """Takes the last step, which may be shorter."""
        if self._rest:
            self._add(self._rest)
        self._rest = b""

    def waveform_of(self, first_sample: int, samples: int) -> dict[str, Any]:
        """Returns the message with a segment's waveform; its ends are rounded to a step."""
        first = min(first_sample // self.step_samples, len(self.peaks))
        peaks = self.peaks[first : -(-(first_sample + samples) // self.step_samples)]
        group = max(1, -(-len(peaks) // (2 * WAVEFORM_POINTS)))
        grouped = [max(peaks[start : start + group]) for start in range(0, len(peaks), group)]
        return {"peaks": base64.b64encode(bytes(grouped)).decode(), "step_samples": self.step_samples * group}

    def _add(self, pcm: bytes) -> None:
        self._append(_peak(pcm))

    def _append(self, peak: int) -> None:
        self.peaks.append(peak)
        if len(self.peaks) == self._most_peaks:
            self.peaks = [max(pair) for pair in zip(self.peaks[::2], self.peaks[1::2], strict=True)]
            self.step_samples *= 2


def _peak(pcm: bytes) -> int:
    high = pcm[1::2]
    # The maximum of a sample, then of the few larger values: deleting bytes is ten times as fast as comparing each.
    found = max(high[::_SAMPLED].translate(_MAGNITUDE))
    return max(high.translate(_MAGNITUDE, _UP_TO[found]), default=found)


def measure(
    frames: Iterator[tuple[AudioFrame, int, float]], max_audio_s: float, on_progress: Callable[[float], None]
) -> dict[str, Any]:
    """Returns the waveform of a track's frames, as a message; `on_progress` is told the seconds done.

    Each frame comes with the number of its samples to take, and the seconds of silence before it. Audio beyond
    `max_audio_s` is ignored.
    """
    first = next(frames)
    converter = PcmConverter(first[0].sample_rate, min(first[0].layout.nb_channels, 2))
    sound = SoundAndSilence(converter)
    waveform_peaks = WaveformPeaks(converter.channels)
    most = round(max_audio_s * converter.sample_rate_hz)
    samples = 0

    def take(blocks: Sequence[bytes]) -> None:
        nonlocal samples
        for piece in sound.of(blocks):
            if samples >= most:
                return
            if isinstance(piece, bytes):
                samples += len(piece) // converter.bytes_per_sample
                waveform_peaks.take(piece)
            else:
                silence = min(piece, most - samples)
                samples += silence
                waveform_peaks.take_silence(silence)
            on_progress(samples / converter.sample_rate_hz)

    for frame, count, silence_s in chain([first], frames):
        sound.add_silence(silence_s)
        take(converter.convert(frame, count))
        if samples >= most:
            break
    take(converter.finish())
    waveform_peaks.finish()
    return {
        "peaks": waveform_peaks.peaks,
        "step_s": waveform_peaks.step_samples / converter.sample_rate_hz,
        "duration_s": samples / converter.sample_rate_hz,
    }
