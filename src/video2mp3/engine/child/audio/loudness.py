"""Measures loudness and true peak by EBU R128 (ITU-R BS.1770), with FFmpeg's filter. Runs in the child."""

import math
from collections.abc import Iterator
from fractions import Fraction

from av import AudioCodecContext, AudioFrame, CodecContext
from av.error import BlockingIOError as WantsMore
from av.error import FFmpegError
from av.filter import Graph

from video2mp3.engine.child.audio.pcm import BYTES_PER_SAMPLE
from video2mp3.engine.mp3.encoder_settings import EncoderSettings

SILENCE_LUFS = -70.0
"""The absolute gate: quieter audio does not count."""
GATING_BLOCK_S = 0.4
"""Shorter audio has no loudness."""
_BLOCK_SAMPLES = 16384


class LoudnessMeter:
    """Measures streaming audio."""

    def __init__(self, sample_rate_hz: int, channels: int, sample_format: str) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._samples = 0
        self._layout = "mono" if channels == 1 else "stereo"
        self._format = sample_format
        self._graph = Graph()
        source = self._graph.add(
            "abuffer",
            sample_rate=str(sample_rate_hz),
            sample_fmt=sample_format,
            channel_layout=self._layout,
            time_base=f"1/{sample_rate_hz}",
        )
        meter = self._graph.add("ebur128", metadata="1", peak="true")
        sink = self._graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        self._graph.configure()
        self.lufs = SILENCE_LUFS
        """Integrated loudness so far."""
        self.true_peak_dbtp = -math.inf
        self.is_silent = True
        """Whether all PCM so far was zero: the filter rounds true peaks below -66 dBTP to that."""

    @property
    def duration_s(self) -> float:
        """Duration of what was measured."""
        return self._samples / self._sample_rate_hz

    def take(self, frame: AudioFrame) -> None:
        """Measures the next frame, which must have the meter's format."""
        frame.pts = self._samples
        frame.time_base = Fraction(1, self._sample_rate_hz)
        self._samples += frame.samples
        self._graph.push(frame)
        self._pull()

    def take_pcm(self, pcm: bytes) -> None:
        """Measures interleaved 16-bit PCM."""
        self.is_silent = self.is_silent and pcm.count(0) == len(pcm)
        size = _BLOCK_SAMPLES * BYTES_PER_SAMPLE * (1 if self._layout == "mono" else 2)
        for place in range(0, len(pcm), size):
            block = pcm[place : place + size]
            frame = AudioFrame(self._format, self._layout, len(block) * _BLOCK_SAMPLES // size)
            frame.sample_rate = self._sample_rate_hz
            frame.planes[0].update(block.ljust(frame.planes[0].buffer_size, b"\0"))
            self.take(frame)

    def finish(self) -> None:
        """Measures the buffered rest."""
        self._graph.push(None)
        self._pull()

    def _pull(self) -> None:
        while True:
            try:
                found = self._graph.pull().metadata
            except (WantsMore, EOFError):
                return
            self.lufs = _number(found.get("lavfi.r128.I"), self.lufs)  # the last, shorter frame has no value
            peak = _number(found.get("lavfi.r128.true_peak"), 0.0)
            self.true_peak_dbtp = max(self.true_peak_dbtp, 20 * math.log10(peak) if peak > 0 else -math.inf)


class MeasuringEncoder:
    """Takes PCM like an encoder, but only measures it."""

    def __init__(self, settings: EncoderSettings) -> None:
        self._bytes_per_sample = BYTES_PER_SAMPLE * settings.channels
        self.meter = LoudnessMeter(settings.sample_rate_hz, settings.channels, "s16")
        self.samples = 0
        self.cpu_s = 0.0

    def encode(self, pcm: bytes) -> Iterator[bytes]:
        """Measures PCM and yields nothing."""
        self.samples += len(pcm) // self._bytes_per_sample
        self.meter.take_pcm(pcm)
        return iter(())

    def finish(self, lead_in: int = 0) -> Iterator[bytes]:  # noqa: ARG002
        """Measures what is still inside."""
        self.meter.finish()
        return iter(())


class Mp3LoudnessMeter:
    """Decodes MP3 frames while they are encoded, and measures the decoded audio."""

    def __init__(self, settings: EncoderSettings) -> None:
        self.meter = LoudnessMeter(settings.sample_rate_hz, settings.channels, "fltp")
        decoder = CodecContext.create("mp3float", "r")
        assert isinstance(decoder, AudioCodecContext)
        self._decoder = decoder

    def take(self, mp3: bytes) -> None:
        """Measures the next bytes, cut anywhere."""
        if mp3:
            self._decode(mp3)

    def finish(self) -> None:
        """Measures the buffered rest."""
        self._decode(None)
        self.meter.finish()

    def _decode(self, mp3: bytes | None) -> None:
        for packet in self._decoder.parse(mp3):
            try:
                frames = self._decoder.decode(packet)
            except FFmpegError:  # a frame that the decoder rejects does not count
                continue
            for frame in frames:
                self.meter.take(frame)


def _number(text: str | None, otherwise: float) -> float:
    try:
        number = float(text or "")
    except ValueError:
        return otherwise
    return number if math.isfinite(number) else otherwise
