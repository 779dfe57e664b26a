"""Decodes several tracks together and adds them up. Runs in the child: the input is hostile.

Every track keeps its own decoder, clock and sample rate. The mixer always advances the track that is furthest behind,
and the packets of the others wait meanwhile. A track that has no packets for a long time is suspended: it is silent
until its next packet.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from av import AudioFrame, Packet
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import BlockingIOError as WantsMore
from av.filter import Graph
from av.filter.context import FilterContext

from video2mp3.engine.child.audio.pcm import PcmConverter, mp3_rate_for
from video2mp3.engine.child.audio.silence import SoundAndSilence
from video2mp3.engine.child.decoding.decode import Damage, TrackDecoder, demux, out_of_memory
from video2mp3.engine.child.timeline import Clock, TimelineFacts
from video2mp3.errors import TracksFarApart, UndecodableAudio

PEAK = "lavfi.astats.Overall.Peak_level"
"""The name of a mixed frame's peak in dBFS, in its metadata."""
MAX_WAITING_BYTES = 32 * 1024**2
_PACKET_BYTES = 1024
"""Memory of a packet beside its data."""
_BLOCK_SAMPLES = 16384
_MAX_LATE_S = 1
"""Sound that comes later than its place by more is an error; less is drift of the track's clock."""
_FLOAT_BYTES = 4


class PacketQueues:
    """The packets of several streams of one container, read in the order of the file."""

    def __init__(self, container: InputContainer, streams: Sequence[AudioStream]) -> None:
        self._queues: dict[int, deque[Packet[AudioStream]]] = {stream.index: deque() for stream in streams}
        self._packets = demux(container, streams)
        self._waiting_bytes = 0
        self._error: Exception | None = None
        self.ended = False
        """Whether the whole file is read."""

    def has(self, index: int) -> bool:
        """Returns whether a packet of this stream waits."""
        return bool(self._queues[index])

    def of(self, index: int) -> Iterator["Packet[AudioStream]"]:
        """Yields packets of a stream until its end, or until too many packets of others wait."""
        queue = self._queues[index]
        while queue or self._read_until(queue):
            packet = queue.popleft()
            self._waiting_bytes -= _cost(packet)
            yield packet
        if self._error:
            raise self._error

    def _read_until(self, queue: "deque[Packet[AudioStream]]") -> bool:
        while not queue:
            if self._waiting_bytes > MAX_WAITING_BYTES:
                return False
            try:
                packet = next(self._packets, None)
            except Exception as error:  # hostile files raise more than FFmpeg's own errors
                if out_of_memory(error):
                    raise
                self._error, packet = error, None
            if packet is None:
                self.ended = True
                return False
            self._queues[packet.stream.index].append(packet)
            self._waiting_bytes += _cost(packet)
        return True


class _Fifo:
    """Sound that waits to be mixed, interleaved, with silences in it."""

    def __init__(self, bytes_per_sample: int) -> None:
        self._bytes_per_sample = bytes_per_sample
        self._pieces: deque[bytes | int] = deque()
        """PCM, or the samples of a silence."""
        self.samples = 0
        self.late_samples = 0
        """Samples that were silent because nothing was there, and that have not come later as silence."""

    def put(self, pcm: bytes) -> None:
        """Adds PCM, at the place where it comes."""
        self.late_samples = 0
        self._pieces.append(pcm)
        self.samples += len(pcm) // self._bytes_per_sample

    def put_silence(self, samples: int) -> None:
        """Adds silence, however long, except what was silent already."""
        paid = min(samples, self.late_samples)
        self.late_samples -= paid
        if samples > paid:
            self._pieces.append(samples - paid)
            self.samples += samples - paid

    def take(self, samples: int) -> bytes:
        """Returns so many samples, with silence where there are not enough."""
        taken = bytearray()
        size = samples * self._bytes_per_sample
        while len(taken) < size and self._pieces:
            piece, missing = self._pieces.popleft(), size - len(taken)
            if isinstance(piece, int):
                most = min(piece, missing // self._bytes_per_sample)
                if piece > most:
                    self._pieces.appendleft(piece - most)
                piece = bytes(most * self._bytes_per_sample)
            elif len(piece) > missing:
                self._pieces.appendleft(piece[missing:])
                piece = piece[:missing]
            taken += piece
        there = len(taken) // self._bytes_per_sample
        self.samples -= there
        self.late_samples += samples - there
        return bytes(taken.ljust(size, b"\0"))


class _QueuedDecoder(TrackDecoder):
    """Decodes the packets of a track that were read together with those of others."""

    def read_from(self, queues: PacketQueues) -> None:
        """Names the queues, before anything is decoded."""
        self._queues = queues

    def _demux(self) -> Iterator["Packet[AudioStream]"]:
        return self._queues.of(self._stream.index)


@dataclass
class _Track:
    """One track of the mix."""

    number: int
    index: int
    decoder: _QueuedDecoder
    frames: Iterator[tuple[AudioFrame, int, float]] | None = None
    """None: suspended, or at the end."""
    held: deque[tuple[AudioFrame, int, float]] = field(default_factory=deque)
    """Frames decoded before the format of the mix was known."""
    position_s: float = 0.0
    """How far it is decoded."""
    converter: PcmConverter | None = None
    sound: SoundAndSilence | None = None
    fifo: _Fifo | None = None


class MixedTracks:
    """Mixes tracks; it has the interface of `TrackDecoder`.

    The frames are floating-point: their sum may exceed full scale. Each has its peak as metadata.
    """

    def __init__(
        self,
        container: InputContainer,
        streams: Mapping[int, AudioStream],
        is_cut_short: Callable[[], bool],
        new_clock: Callable[[AudioStream], Clock | None],
        sample_rate_hz: int | None,
    ) -> None:
        """Starts at the first packet.

        Args:
            container: the open file, of which nothing has been read.
            streams: the streams to mix, by the number of the track.
            is_cut_short: as for `TrackDecoder`.
            new_clock: returns the clock of a stream.
            sample_rate_hz: of the mix; None: the highest of the tracks.
        """
        self._is_cut_short = is_cut_short
        self._rate_hz = sample_rate_hz
        self._queues = PacketQueues(container, list(streams.values()))
        self._tracks = []
        for number, stream in streams.items():
            decoder = _QueuedDecoder(container, stream, is_cut_short, new_clock(stream))
            decoder.read_from(self._queues)
            self._tracks.append(_Track(number, stream.index, decoder))
        self.samples = 0
        """Samples per channel mixed so far."""

    @property
    def mixed(self) -> list[int]:
        """The numbers of the tracks that gave sound so far."""
        return [track.number for track in self._tracks if track.decoder.samples]

    @property
    def left_out(self) -> list[int]:
        """The numbers of the tracks that gave none."""
        return [track.number for track in self._tracks if not track.decoder.samples]

    @property
    def codec(self) -> str:
        """Codec of the first track that gave sound."""
        return next(track.decoder.codec for track in self._tracks if track.decoder.samples)

    @property
    def decoded_s(self) -> float:
        """Where the track that is furthest ahead has sound, in seconds."""
        return max(track.position_s for track in self._tracks)

    @property
    def damage(self) -> Damage:
        """The damage found in all tracks."""
        found = [track.decoder.damage for track in self._tracks]
        return Damage(
            packets=sum(damage.packets for damage in found),
            truncated=any(damage.truncated for damage in found),
            silenced_samples=sum(damage.silenced_samples for damage in found),
        )

    @property
    def truncated(self) -> bool:
        """True if the file is truncated. Read this at the end: it may read the end of the file."""
        return self.damage.truncated or self._is_cut_short()

    def timeline(self) -> dict[str, Any]:
        """Returns what the time stamps say, for the report: silence at the start, where all tracks have it."""
        found = [track.decoder.timeline() for track in self._tracks if track.decoder.samples]
        facts = TimelineFacts(
            leading_silence_s=min(facts["leading_silence_s"] for facts in found),
            discontinuities=sum(facts["discontinuities"] for facts in found),
        )
        return asdict(facts)

    def frames(self) -> Iterator[tuple[AudioFrame, int, float]]:
        """Yields the mixed frames, each with its number of samples, as `TrackDecoder` does; all silence is in them.

        Raises:
            UndecodableAudio: no track gives sound, or impossible formats.
            TracksFarApart: sound comes too late in the file to be mixed with that of other tracks.
        """
        channels = self._start()
        graph = _Adder(len(self._tracks), self._rate_hz or 0, channels)
        while active := [track for track in self._tracks if self._is_active(track)]:
            self._advance(min(active, key=lambda track: track.position_s))
            going_on = [track.fifo.samples for track in active if track.frames is not None and track.fifo]
            yield from self._add(graph, min(going_on, default=0))
        yield from self._add(graph, max(track.fifo.samples for track in self._tracks if track.fifo), is_last=True)

    def _start(self) -> int:
        """Decodes the first frame of each track; returns the channels of the mix."""
        errors: list[UndecodableAudio] = []
        for track in self._tracks:
            track.frames = track.decoder.frames()
            try:
                track.held.append(next(track.frames))
            except UndecodableAudio as error:  # perhaps only its first packet comes late
                track.frames = None
                errors.append(error)
        firsts = [track.held[0][0] for track in self._tracks if track.held]
        if not firsts:
            raise errors[0]
        self._rate_hz = self._rate_hz or max(mp3_rate_for(frame.sample_rate) for frame in firsts)
        channels = max(min(frame.layout.nb_channels, 2) for frame in firsts)
        for track in self._tracks:
            track.converter = PcmConverter(self._rate_hz, channels, sample_format="flt")
            track.sound = SoundAndSilence(track.converter)
            track.fifo = _Fifo(_FLOAT_BYTES * channels)
        return channels

    def _is_active(self, track: _Track) -> bool:
        """Returns whether the track can be decoded further; resumes it if it was suspended."""
        if track.frames is None and self._queues.has(track.index):
            track.decoder.damage.truncated = False  # its end was no end
            track.frames = track.decoder.frames()
        return track.frames is not None

    def _advance(self, track: _Track) -> None:
        """Decodes the next frame of a track."""
        assert track.frames
        assert track.converter
        assert track.sound
        try:
            frame, samples, silence_s = track.held.popleft() if track.held else next(track.frames)
        except (StopIteration, UndecodableAudio):  # the latter: nothing came since it was resumed
            self._put(track, track.converter.finish())
            track.frames = None
        else:
            track.position_s += silence_s + samples / frame.sample_rate
            track.sound.add_silence(silence_s)
            self._put(track, track.converter.convert(frame, samples))

    def _put(self, track: _Track, blocks: Sequence[bytes]) -> None:
        assert track.converter
        assert track.sound
        assert track.fifo
        for piece in track.sound.of(blocks):
            if isinstance(piece, int):
                track.fifo.put_silence(piece)
                continue
            if track.fifo.late_samples > _MAX_LATE_S * track.converter.sample_rate_hz:
                raise TracksFarApart
            track.fifo.put(piece)

    def _add(self, graph: "_Adder", ready: int, *, is_last: bool = False) -> Iterator[tuple[AudioFrame, int, float]]:
        while ready >= _BLOCK_SAMPLES or (is_last and ready):
            samples = min(ready, _BLOCK_SAMPLES)
            ready -= samples
            for frame in graph.add([track.fifo.take(samples) for track in self._tracks if track.fifo], samples):
                self.samples += frame.samples
                yield frame, frame.samples, 0.0


class _Adder:
    """Adds blocks of floating-point PCM."""

    def __init__(self, tracks: int, sample_rate_hz: int, channels: int) -> None:
        self._rate_hz = sample_rate_hz
        self._layout = "mono" if channels == 1 else "stereo"
        self._samples = 0
        self._graph = Graph()
        adder = self._graph.add("amix", inputs=str(tracks), normalize="0")
        self._inputs: list[FilterContext] = []
        for number in range(tracks):
            source = self._graph.add(
                "abuffer",
                sample_rate=str(sample_rate_hz),
                sample_fmt="flt",
                channel_layout=self._layout,
                time_base=f"1/{sample_rate_hz}",
            )
            source.link_to(adder, 0, number)
            self._inputs.append(source)
        peaks = self._graph.add(
            "astats", metadata="1", reset="1", measure_perchannel="none", measure_overall="Peak_level"
        )
        adder.link_to(peaks)
        peaks.link_to(self._graph.add("abuffersink"))
        self._graph.configure()

    def add(self, blocks: Sequence[bytes], samples: int) -> Iterator[AudioFrame]:
        """Adds a block of each track."""
        for source, block in zip(self._inputs, blocks, strict=True):
            frame = AudioFrame("flt", self._layout, samples)
            frame.sample_rate = self._rate_hz
            frame.pts = self._samples
            frame.planes[0].update(block.ljust(frame.planes[0].buffer_size, b"\0"))
            source.push(frame)
        self._samples += samples
        while True:
            try:
                mixed = self._graph.pull()
            except (WantsMore, EOFError):
                return
            assert isinstance(mixed, AudioFrame)
            yield mixed


def _cost(packet: "Packet[AudioStream]") -> int:
    return packet.size + _PACKET_BYTES
