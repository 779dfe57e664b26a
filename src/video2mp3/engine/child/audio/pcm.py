"""Converts decoded audio to interleaved 16-bit PCM at one sample rate, with swresample."""

import array
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from av import AudioFifo, AudioFrame
from av.audio.plane import AudioPlane
from av.error import BlockingIOError as WantsMore
from av.filter import Graph

from video2mp3.engine.child.audio.phase import PhaseMeter
from video2mp3.engine.mp3.frames import RATES_HZ
from video2mp3.errors import UndecodableAudio

_LONG_FILTER = {
    "filter_size": "256",
    "phase_shift": "10",
    "exact_rational": "1",
    "filter_type": "kaiser",
    "kaiser_beta": "12",
    "cutoff": "0.95",
    "internal_sample_fmt": "fltp",
}
"""Options of swresample for resampling: see `test_resampling_leaves_nothing_audible`."""

_DEFAULT_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "6.0", 7: "7.0", 8: "octagonal"}
"""The layouts for a number of channels, if the file declares none. Unlike ffmpeg's defaults, none
has a channel for low frequencies, which mixing would leave out: it may be a microphone."""
_Filter = tuple[str, str]
"""A filter's name and its options."""
_SIDES: dict[str, _Filter] = {
    "left": ("channelmap", "map=0:channel_layout=mono"),
    "right": ("channelmap", "map=1:channel_layout=mono"),
}
_STEREO_LAYOUTS = ("stereo", "downmix", "2 channels")

_FLOAT_TYPECODES = {"flt": "f", "fltp": "f", "dbl": "d", "dblp": "d"}
_LOUDEST = 1e30
"""No real audio has larger samples."""
BYTES_PER_SAMPLE = 2
_SAMPLE_BYTES = {"s16": BYTES_PER_SAMPLE, "flt": 4}
_BLOCK_SAMPLES = 32768
"""Samples per filter call; frame by frame, filtering took three times as long as decoding."""


def mp3_rate_for(sample_rate_hz: int) -> int:
    """Returns the lowest MP3 sample rate that is not below the source's, at most 48 kHz."""
    if sample_rate_hz > RATES_HZ[-1]:
        return 44100 if sample_rate_hz % 11025 == 0 else 48000
    return next(rate for rate in RATES_HZ if rate >= sample_rate_hz)


class PcmConverter:
    """Converts frames of any format, which may change, to one output format."""

    def __init__(
        self, sample_rate_hz: int, channels: int | str, gain_db: float = 0.0, sample_format: str = "s16"
    ) -> None:
        """Starts without audio.

        Args:
            sample_rate_hz: of the PCM.
            channels: 1 or 2; `left` or `right`: of stereo, this channel alone.
            gain_db: applied before the samples are rounded.
            sample_format: `s16`, or `flt`, which does not clip.
        """
        self._sample_format = sample_format
        self._gain_db = gain_db
        self._mixdown = channels
        self._phase = PhaseMeter() if channels == 1 else None
        self.sample_rate_hz = sample_rate_hz
        self.channels = 2 if channels == 2 else 1
        self.bytes_per_sample = self.channels * _SAMPLE_BYTES[sample_format]
        """Of all channels."""
        self.samples = 0
        """Samples per channel returned so far."""
        self._run: _FormatRun | None = None

    @property
    def due(self) -> int:
        """Samples per channel that all audio taken so far comes to."""
        return self.samples + (self._run.buffered if self._run else 0)

    def convert(self, frame: AudioFrame, samples: int) -> Sequence[bytes]:
        """Takes the first `samples` samples of the frame, and returns the PCM that is ready: usually none."""
        if self._run is not None and self._run.takes(frame):
            return self._counted(self._run.convert(frame, samples))
        done = self.finish()
        graph = _graph(frame, self.sample_rate_hz, self._mixdown, self._gain_db, self._sample_format)
        phase = self._phase if frame.layout.nb_channels == 2 else None
        self._run = _FormatRun(frame, self.sample_rate_hz, self.bytes_per_sample, graph, phase)
        return [*done, *self._counted(self._run.convert(frame, samples))]

    def finish(self) -> Sequence[bytes]:
        """Returns the buffered PCM."""
        run, self._run = self._run, None
        return self._counted(run.finish()) if run else ()

    @property
    def is_canceled(self) -> bool:
        """Whether stereo lost most of its sound when it was mixed to mono."""
        return self._phase is not None and self._phase.is_canceled

    def _counted(self, blocks: Sequence[bytes]) -> Sequence[bytes]:
        for block in blocks:
            self.samples += len(block) // self.bytes_per_sample
        return blocks


class _FormatRun:
    """Converts consecutive frames of one format, with exactly their length at the new sample rate."""

    def __init__(
        self, first: AudioFrame, sample_rate_hz: int, bytes_per_sample: int, graph: Graph, phase: PhaseMeter | None
    ) -> None:
        self._kind = _kind_of(first)
        self._ratio = Fraction(sample_rate_hz, first.sample_rate)
        self._bytes_per_sample = bytes_per_sample
        self._samples_in = 0
        self._samples_out = 0
        self._waiting = AudioFifo()
        self._graph = graph
        self._phase = phase

    def takes(self, frame: AudioFrame) -> bool:
        return _kind_of(frame) == self._kind

    def convert(self, frame: AudioFrame, samples: int) -> Sequence[bytes]:
        self._samples_in += samples
        frame.pts = None
        self._waiting.write(frame)
        return self._push_waiting() if self._waiting.samples >= _BLOCK_SAMPLES else ()

    def finish(self) -> Sequence[bytes]:
        blocks = self._push_waiting()
        self._graph.push(None)
        blocks += self._pull()
        missing = self._due() - self._samples_out
        if missing > 0:
            self._samples_out += missing
            blocks.append(bytes(missing * self._bytes_per_sample))
        return blocks

    def _push_waiting(self) -> list[bytes]:
        frame = self._waiting.read()
        if frame is None:
            return []
        _silence_non_finite_samples(frame)
        if self._phase:
            self._phase.take(frame)
        frame.pts = None
        self._graph.push(frame)
        return list(self._pull())

    @property
    def buffered(self) -> int:
        """Samples per channel that were taken and not returned, at the new sample rate."""
        return self._due() - self._samples_out

    def _due(self) -> int:
        return math.floor(self._samples_in * self._ratio + Fraction(1, 2))

    def _pull(self) -> Iterator[bytes]:
        while True:
            try:
                frame = self._graph.pull()
            except (WantsMore, EOFError):
                return
            assert isinstance(frame, AudioFrame)
            samples = min(frame.samples, self._due() - self._samples_out)
            if samples > 0:
                self._samples_out += samples
                yield bytes(memoryview(frame.planes[0])[: samples * self._bytes_per_sample])


def _kind_of(frame: AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _graph(first: AudioFrame, sample_rate_hz: int, mixdown: int | str, gain_db: float, sample_format: str) -> Graph:
    error: Exception | None = None
    for channels in (_chosen_channels(first, mixdown), _all_channels(first)):
        try:
            return _filters(first, sample_rate_hz, mixdown, gain_db, sample_format, channels)
        except (ValueError, OSError) as found:
            error = found
    raise UndecodableAudio(f"Audio with the channels {first.layout.name!r} cannot be mixed.") from error


def _filters(
    first: AudioFrame,
    sample_rate_hz: int,
    mixdown: int | str,
    gain_db: float,
    sample_format: str,
    channels: _Filter | None,
) -> Graph:
    """Returns the filters abuffer → aresample → aformat, as ffmpeg sets them up."""
    layout = "mono" if mixdown == 1 else "stereo"
    graph = Graph()
    source = graph.add(
        "abuffer",
        sample_rate=str(first.sample_rate),
        sample_fmt=first.format.name,
        channel_layout=_layout_of(first),
        time_base=f"1/{first.sample_rate}",
    )
    chain = [source, *([graph.add(*channels)] if channels else [])]
    if gain_db:  # before the mixing, which would differ for integer output
        chain.append(graph.add("volume", volume=f"{gain_db:.4f}dB", precision="float"))
    chain += [
        graph.add("aresample", **(_LONG_FILTER if first.sample_rate != sample_rate_hz else {})),
        graph.add("aformat", sample_rates=str(sample_rate_hz), sample_fmts=sample_format, channel_layouts=layout),
        *([graph.add(*_SIDES[mixdown])] if isinstance(mixdown, str) else []),
        graph.add("abuffersink"),
    ]
    for one, following in pairwise(chain):
        one.link_to(following)
    graph.configure()
    return graph


def _layout_of(frame: AudioFrame) -> str:
    name = frame.layout.name
    return _DEFAULT_LAYOUTS.get(frame.layout.nb_channels, name) if name.endswith(" channels") else name


def _chosen_channels(frame: AudioFrame, mixdown: int | str) -> _Filter | None:
    """Returns what makes of channels those that swresample mixes; None where it mixes them as they are."""
    name, count = frame.layout.name, frame.layout.nb_channels
    # Of ambisonics W, the sound from all directions. Mono is as loud on two channels as players make it: swresample
    # would halve its power.
    if name.startswith("ambisonic") or (count == 1 and mixdown != 1):
        return "channelmap", "map=0|0:channel_layout=stereo"
    if count == 2 and name not in _STEREO_LAYOUTS:
        return "channelmap", "map=0|1:channel_layout=stereo"
    if count not in _DEFAULT_LAYOUTS and name.endswith(" channels"):  # it would take the first for those of cinemas
        return _all_channels(frame)
    return None


def _all_channels(frame: AudioFrame) -> _Filter:
    everything = "+".join(f"c{channel}" for channel in range(frame.layout.nb_channels))
    return "pan", f"stereo|c0<{everything}|c1<{everything}"  # mono would become stereo at half the power


def planes_of(frame: AudioFrame) -> tuple[AudioPlane, ...]:
    """Returns the existing planes: with eight or more channels, `frame.planes` has too many entries."""
    return frame.planes[: frame.layout.nb_channels if frame.format.is_planar else 1]


def _silence_non_finite_samples(frame: AudioFrame) -> None:
    """Replaces NaN and infinities in floating-point audio by zero: damaged AAC and hostile PCM contain them.

    Only these values and numbers above 10^38 have 7f or ff as the top byte, so the search is cheap.
    """
    typecode = _FLOAT_TYPECODES.get(frame.format.name)
    if typecode is None:
        return
    size = array.array(typecode).itemsize
    for plane in planes_of(frame):
        data = bytes(memoryview(plane))
        tops = data[size - 1 :: size]
        if b"\x7f" in tops or b"\xff" in tops:
            numbers = array.array(typecode, data)
            plane.update(array.array(typecode, (n if abs(n) < _LOUDEST else 0.0 for n in numbers)).tobytes())
