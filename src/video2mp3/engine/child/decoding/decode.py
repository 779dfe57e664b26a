"""Decodes the packets of one track, with FFmpeg through PyAV. Runs in the child: the input is hostile."""

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, cast

import av
from av import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from video2mp3.engine.child.audio.pcm import planes_of
from video2mp3.engine.child.timeline import Clock, TimelineFacts
from video2mp3.engine.formats import DECODERS, MAX_STREAMS
from video2mp3.errors import CorruptAudio, EmptyAudio, EncryptedAudio, UndecodableAudio

MAX_CHANNELS = 64
MAX_SAMPLE_RATE_HZ = 768_000
MAX_PACKET_S = 2
_INEXACT_S = 1
"""Declared durations are that inexact, and garbage behind the sound may break the reading off."""

_EXACTLY_TRIMMED_CODECS = ("aac", "opus")
"""Codecs whose last frame nearly always is filled up, so that the edit list is exact."""
_EDIT_LIST_ERROR_S = Fraction(1, 500)
"""Other edit lists may be rounded to the ticks of the movie, which are 1/600 s or shorter."""
_SAMPLE_EXACT_FORMATS = ("flac", "wav", "aiff", "au", "nistsphere", "tta", "tak", "ape", "wv")
_SAMPLE_EXACT_CODECS = ("pcm_", "flac", "alac", "tta", "tak", "ape", "wavpack")
"""For other codecs in these containers, such as WMA in WAV, the duration is an estimate."""
_DECLARING_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "gxf", "mxf", "mpc", "mpc8")
"""Other containers whose header gives the duration of the track."""
_ESTIMATED_FORMATS = ("aac", "loas", "mp3", "ac3", "eac3", "dts", "mlp", "truehd", "spdif", "ogg")
"""Containers without a declared duration: FFmpeg estimates it from the bit rate, or takes that of one link."""
_FRAMED_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv", "avi", "asf", "ogg")
"""Containers that store a packet's position and size; in others, undecodable data is often not audio."""
_AMR_NO_DATA = 15
"""Frame type of a pause, which FFmpeg's decoder refuses; long pauses are gaps by the time stamps.

Source: 3GPP TS 26.101, table 1a, and RFC 4867, section 5.3.
"""
_ENCRYPTED_TAGS = ("drms", "enca")
"""Sample entries of protected MP4 tracks. Sources: iTunes, ISO/IEC 14496-12 §8.12."""
_ENCRYPTION_CHECK_PACKETS = 16
"""The check would take a fifth of the time for decoding. Encryption may begin after a clear start."""
_TRIMMED_BY_DECODER = "wma"
"""Codecs whose decoder drops its first frames, although their time stamps count them."""
SKIPPED_SAMPLES = struct.Struct("<II")
"""Samples to skip at the packet's start and end: AV_PKT_DATA_SKIP_SAMPLES of FFmpeg."""


@dataclass
class Damage:
    """The damage found in the file."""

    packets: int = 0
    truncated: bool = False
    silenced_samples: int = 0
    """Samples per channel of silence that replace damaged packets."""


class TrackDecoder:
    """Decodes one track from start to end."""

    def __init__(
        self, container: InputContainer, stream: AudioStream, is_cut_short: Callable[[], bool], clock: Clock | None
    ) -> None:
        """Starts at the first packet. `clock` is None if the container has no time stamps."""
        self._container = container
        self.clock = clock
        self._stream = stream
        self._largest_frame = 0
        self._first_pts, self._end_pts = 0, 0
        self._has_packets = False
        self._broke_off = False
        self._is_cut_short = is_cut_short
        self.declared_samples: int | None = None
        """Samples per channel that the `fact` chunk of a WAV declares."""
        self.damage = Damage()
        self.samples = 0
        """Samples per channel decoded so far."""
        context = stream.codec_context
        if context is None:
            raise UndecodableAudio
        with suppress(UnicodeDecodeError):  # from PyAV, for tags that are numbers
            if context.codec_tag in _ENCRYPTED_TAGS:
                raise EncryptedAudio
        if context.codec.name not in DECODERS:
            raise UndecodableAudio(f"Audio with the codec {context.codec.name} is not converted.")
        context.thread_count = 1
        self.codec: str = context.codec.canonical_name

    def frames(self) -> Iterator[tuple[AudioFrame, int, float]]:
        """Yields the decoded frames, each with the number of its samples that belong to the track.

        The third value is the silence in seconds that belongs before the frame.

        Raises:
            EmptyAudio: the track has no packets.
            CorruptAudio: the decoder returned nothing, or impossible formats.
        """
        held: AudioFrame | None = None  # only the last frame is trimmed, and it is known only after the next read
        held_silence_s = 0.0
        for frame, silence_s in self._all_frames():
            if held is not None:
                self.samples += held.samples
                yield held, held.samples, held_silence_s
            held, held_silence_s = frame, silence_s
        if held is None:
            raise CorruptAudio if self._has_packets else EmptyAudio
        samples = held.samples - self._excess(held)
        self.samples += samples
        self.compare_with_declared_duration(held.sample_rate)
        yield held, samples, held_silence_s

    @property
    def truncated(self) -> bool:
        """True if the file is truncated. Read this at the end: it may read the end of the file."""
        return self.damage.truncated or self._is_cut_short()

    def timeline(self) -> dict[str, Any]:
        """Returns what the time stamps of the frames so far say, for the report."""
        return asdict(self.clock.finish() if self.clock else TimelineFacts())

    def _all_frames(self) -> Iterator[tuple[AudioFrame, float]]:
        last: AudioFrame | None = None
        silence_before = self.clock.take if self.clock else _no_silence
        stream = self._stream
        rescale: Fraction | None = None  # from the ticks of another part of the file to those of the first
        rate_hz = channels = 0
        for packet in self.packets():
            if packet.stream is not stream:
                stream = packet.stream
                ratio = _time_base(stream) / _time_base(self._stream)
                rescale = None if ratio == 1 else ratio
            try:
                frames = packet.decode()
            except Exception as error:  # hostile files raise more than FFmpeg's own errors
                if out_of_memory(error):
                    raise
                if packet.has_sidedata("encryption_info"):
                    raise EncryptedAudio from error
                if self.codec == "amr_nb" and packet.size == 1 and bytes(packet)[0] >> 3 & 15 == _AMR_NO_DATA:
                    continue
                self.damage.packets += packet.size > 0
                if last is not None and packet.size > 0 and self._container.format.name in _FRAMED_FORMATS:
                    for frame in self._silence(packet, last):
                        yield frame, silence_before(None, frame.samples, frame.sample_rate)
                continue
            for frame in frames:
                samples = frame.samples
                if samples > 0:
                    if frame.sample_rate != rate_hz or frame.layout.nb_channels != channels:
                        _check(frame)
                        rate_hz, channels = frame.sample_rate, frame.layout.nb_channels
                    if samples > self._largest_frame:
                        self._largest_frame = samples
                    last = frame
                    at = frame.pts
                    if rescale is not None and at is not None:
                        at = round(at * rescale)
                    yield frame, silence_before(at, samples, rate_hz)

    def _silence(self, packet: "av.Packet[AudioStream]", like: AudioFrame) -> Iterator[AudioFrame]:
        """Yields silence of the packet's duration, or of a frame's if it has none."""
        samples = round((packet.duration or 0) * _time_base(self._stream) * like.sample_rate) or self._largest_frame
        samples = min(samples, MAX_PACKET_S * like.sample_rate)
        try:
            frame = AudioFrame(like.format.name, like.layout.name, samples)
        except ValueError:  # channels without names
            return
        frame.sample_rate = like.sample_rate
        for plane in planes_of(frame):
            plane.update((b"\x80" if like.format.name.startswith("u8") else b"\0") * plane.buffer_size)
        self.damage.silenced_samples += samples
        yield frame

    def packets(self) -> Iterator["av.Packet[AudioStream]"]:
        """Yields the packets of the file as far as they can be read; the last one may be empty.

        Raises:
            EncryptedAudio: they are encrypted.
        """
        try:
            for number, packet in enumerate(self._demux()):
                if number % _ENCRYPTION_CHECK_PACKETS == 0 and packet.has_sidedata("encryption_info"):
                    raise EncryptedAudio
                end_pts = (packet.pts or 0) + (packet.duration or 0)
                if end_pts > self._end_pts:
                    self._end_pts = end_pts
                if packet.size > 0 and not self._has_packets:
                    self._has_packets = True
                    self._first_pts = packet.pts or 0
                    self._trim_start(packet)
                is_jump = packet.is_discard and self._is_fragmented and (packet.pts or 0) >= 0
                yield _kept(packet) if is_jump else packet
        except EncryptedAudio:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            self._broke_off = True

    @property
    def _is_fragmented(self) -> bool:
        return "mp4" in self._container.format.name and not self._stream.frames

    def _trim_start(self, first: "av.Packet[AudioStream]") -> None:
        rate_hz = self._stream.codec_context.sample_rate
        if self.clock is None or first.pts is None or not rate_hz:
            return
        if self.codec.startswith(_TRIMMED_BY_DECODER):
            self.clock.trim_start(first.pts, math.inf)
        elif first.has_sidedata("skip_samples"):
            skipped, _ = SKIPPED_SAMPLES.unpack_from(bytes(first.get_sidedata("skip_samples")))
            self.clock.trim_start(first.pts, skipped / rate_hz)

    def _demux(self) -> Iterator["av.Packet[AudioStream]"]:
        return demux(self._container, [self._stream])

    def _excess(self, last: AudioFrame) -> int:
        """Returns the samples at the end of the last frame that lie beyond the length that the file declares.

        Encoders fill up their last frame; the edit list of an MP4 or the `fact` chunk of a WAV says by how much. ffmpeg
        cuts it off in some of these cases since version 9, the libraries that PyAV brings do not yet.
        """
        excess = 0
        if last.pts is not None and last.time_base:
            end_s = last.pts * last.time_base + Fraction(last.samples, last.sample_rate)
            excess = self.beyond_edit_list(end_s, last.sample_rate)
        if self.declared_samples is not None and not self.codec.startswith("pcm_"):
            excess = self.samples + last.samples - self.declared_samples
        return excess if 0 < excess < last.samples else 0

    def beyond_edit_list(self, end_s: Fraction, sample_rate_hz: int) -> int:
        """Returns how many of the samples before a time lie behind the end of an MP4's edit list."""
        if "mp4" not in self._container.format.name or not self._stream.frames or not self._stream.duration:
            return 0  # fragmented: the duration is not from the edit list
        if self._first_pts > 0 and self._end_pts - self._first_pts == self._stream.duration:
            return 0  # an empty edit delays the track, and FFmpeg's duration is that of all packets without it
        excess_s = end_s - self._stream.duration * _time_base(self._stream)
        is_exact = self.codec in _EXACTLY_TRIMMED_CODECS
        return max(round(excess_s * sample_rate_hz), 0) if is_exact or excess_s > _EDIT_LIST_ERROR_S else 0

    def compare_with_declared_duration(self, sample_rate_hz: int) -> None:
        """Marks the file as truncated if the track ends too early."""
        container = self._container.format.name
        declared_s = (self._stream.duration or 0) * _time_base(self._stream)
        if self._broke_off and not declared_s:
            declared_s = Fraction(self._container.duration or 0, av.time_base)
        if not declared_s or container in _ESTIMATED_FORMATS:
            self.damage.truncated |= self._broke_off
            return
        if container in _SAMPLE_EXACT_FORMATS and self.codec.startswith(_SAMPLE_EXACT_CODECS):
            missing = round(declared_s * sample_rate_hz) - self.samples
            # The garbage behind a sound of unknown size may be half a sample.
            self.damage.truncated |= missing > self.damage.packets * self._largest_frame + 1
        elif self._broke_off or container in _DECLARING_FORMATS:
            end_s = max(self._end_pts * _time_base(self._stream), Fraction(self.samples, sample_rate_hz))
            self.damage.truncated |= declared_s - end_s > _INEXACT_S


def demux(container: InputContainer, streams: Sequence[AudioStream]) -> Iterator["av.Packet[AudioStream]"]:
    """Yields the packets of streams; raises FFmpeg's errors, and others."""
    for _ in range(MAX_STREAMS):
        with suppress(IndexError):  # from PyAV, if a stream appears after the start of the file
            yield from cast(Iterator["av.Packet[AudioStream]"], container.demux(*streams))
            return


def _time_base(stream: AudioStream) -> Fraction:
    return stream.time_base or Fraction(1, 1_000_000)


def _kept(packet: "av.Packet[AudioStream]") -> "av.Packet[AudioStream]":
    """Returns the packet without the mark by which libavformat drops the first one after a jump back in fragments."""
    kept = av.Packet(bytes(packet))
    kept.stream, kept.time_base = packet.stream, packet.time_base
    kept.pts, kept.dts, kept.duration = packet.pts, packet.dts, packet.duration
    return cast("av.Packet[AudioStream]", kept)


def _no_silence(at: int | None, samples: int, rate_hz: int) -> float:  # noqa: ARG001
    return 0.0


def _check(frame: AudioFrame) -> None:
    channels = frame.layout.nb_channels
    if not 1 <= channels <= MAX_CHANNELS or not 1 <= frame.sample_rate <= MAX_SAMPLE_RATE_HZ:
        raise CorruptAudio(f"The audio claims {channels} channels at {frame.sample_rate} Hz, which cannot be.")


def out_of_memory(error: Exception) -> bool:
    """Returns whether this process is out of memory; FFmpeg says ENOMEM for absurd sizes in a file too."""
    return isinstance(error, MemoryError) and not isinstance(error, av.FFmpegError)
