"""Finds where a split would cut, by everything that the conversion does except to encode. Runs in the child.

So the segments that are planned are those that the conversion makes, to the sample.
"""

from collections.abc import Iterator

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.engine.child.conversion.pipeline import PcmEncoder, Pipeline, Writer
from video2mp3.engine.child.splitting.segments import SegmentsPlan
from video2mp3.engine.mp3.encoder_settings import EncoderSettings


class PlanningPass(Pipeline):
    """A pass that only plans the segments."""

    def _make_waveform_peaks(self) -> None:
        return None

    def _make_encoder(self) -> PcmEncoder:
        return _NoEncoder(self._settings)

    def _make_writer(self) -> Writer:
        assert self._split_points is not None
        return SegmentsPlan(self._split_points, self._job.max_segments)


class _NoEncoder:
    """Takes PCM like an encoder, but only counts it."""

    def __init__(self, settings: EncoderSettings) -> None:
        self._bytes_per_sample = BYTES_PER_SAMPLE * settings.channels
        self.samples = 0
        self.cpu_s = 0.0

    def encode(self, pcm: bytes) -> Iterator[bytes]:
        """Counts PCM, and yields nothing of it to the plan, which looks whether there are too many segments."""
        self.samples += len(pcm) // self._bytes_per_sample
        yield b""

    def finish(self, lead_in: int = 0) -> Iterator[bytes]:  # noqa: ARG002
        """Yields nothing."""
        return iter(())
