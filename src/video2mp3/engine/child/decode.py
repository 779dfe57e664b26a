"""Media to decoded audio, with FFmpeg through PyAV. Runs in the child: the input is hostile."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from video2mp3.engine.child.languages import has_language
from video2mp3.engine.containers.extent import declared_size, info_tag_of
from video2mp3.engine.mp3.id3 import clean_text
from video2mp3.engine.report import Chapter, Track
from video2mp3.engine.source import SourceFile
from video2mp3.errors import NoAudio, TrackNotFound, UndecodableAudio, UnsupportedFormat

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "avi", "flv", "ogg", "asf",
    "wav", "w64", "aiff", "caf", "flac", "mp3", "aac", "ac3", "eac3", "ac4", "dts", "truehd", "amr", "iamf",
)  # fmt: skip
"""Demuxers that may open a file. Never one that opens other files: hls, concat, dash, sdp, image2."""

DECODERS = frozenset((
    "aac", "aac_latm", "ac3", "eac3", "dca", "truehd", "mlp", "mp1", "mp1float", "mp2", "mp2float", "mp3",
    "mp3float", "alac", "flac", "opus", "vorbis", "speex", "amrnb", "amrwb", "wmav1", "wmav2", "wmapro",
    "wmalossless", "wmavoice", "wavpack", "tta", "gsm", "gsm_ms", "nellymoser", "qdm2", "qdmc", "mace3",
    "mace6", "s302m", "atrac3", "atrac3plus", "adpcm_ima_qt", "adpcm_ima_wav", "adpcm_ms", "adpcm_swf",
    "adpcm_yamaha", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "pcm_f16le", "pcm_f24le", "pcm_f32be",
    "pcm_f32le", "pcm_f64be", "pcm_f64le", "pcm_s16be", "pcm_s16be_planar", "pcm_s16le", "pcm_s16le_planar",
    "pcm_s24be", "pcm_s24le", "pcm_s24le_planar", "pcm_s32be", "pcm_s32le", "pcm_s32le_planar", "pcm_s64be",
    "pcm_s64le", "pcm_s8", "pcm_s8_planar", "pcm_u16be", "pcm_u16le", "pcm_u24be", "pcm_u24le", "pcm_u32be",
    "pcm_u32le", "pcm_u8", "g722", "g723_1", "g726", "g726le", "ilbc", "truespeech",
))  # fmt: skip
"""Decoders that may run."""

MAX_STREAMS = 100
PROBE_BYTES = 5_000_000
ANALYZE_US = 5_000_000
LATE_PROBE_BYTES = 64_000_000
LATE_ANALYZE_US = 1_000_000_000
"""Of an FLV without sound in its first seconds: its header does not describe the tracks, their first packets do."""
IO_BUFFER_BYTES = 128 * 1024
MAX_CHANNELS = 64
MAX_SAMPLE_RATE_HZ = 768_000
MAX_DURATION_S = 10**7
MAX_PACKET_S = 2
MAX_LANGUAGES_LENGTH = 64
MAX_CHAPTERS = 255
"""ID3 counts them in one byte."""

_TRIMMED_CODECS = ("aac", "opus")
_SAMPLE_EXACT_FORMATS = ("flac", "wav", "w64", "aiff", "caf")
_SAMPLE_EXACT_CODECS = ("pcm_", "flac", "alac")
"""Of the others in these containers, such as WMA in WAV, the length is an estimate."""
_FRAMED_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv", "avi", "asf", "ogg")
"""Containers that say where a packet is and how long; in the others what does not decode is often no audio at all."""
_FOR_SOME = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired
"""Commentary, audio description, clear dialogue: what most listeners do not want."""
_EMPTY = "The audio track is empty: there is no sound in it."
_ENCRYPTED = "The audio is encrypted (DRM), so it cannot be decoded; convert a copy without copy protection."
_BROKEN = "The audio is damaged beyond use: nothing of it could be decoded."
_DEPENDENT = 1 << 19
"""AV_DISPOSITION_DEPENDENT: a part of another track, as in immersive audio."""


@dataclass
class Damage:
    """What was wrong with the file."""

    packets: int = 0
    truncated: bool = False
    silenced_samples: int = 0
    """Samples per channel of silence in the place of damaged packets."""


class Media:
    """One open file.

    Raises:
        UnsupportedFormat: no demuxer of ours takes it.
    """

    def __init__(self, file: SourceFile, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._container = _open(file)
        if self.container == "flv" and not self._container.streams.audio:
            self._container.close()
            file.seek(0)
            self._container = _open(file, LATE_PROBE_BYTES, LATE_ANALYZE_US)
        self.audio_streams = _audio_streams(self._container)

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    @property
    def container(self) -> str:
        """The short name of the container."""
        return self._container.format.name

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The audio tracks."""
        return tuple(_track(stream) for stream in self.audio_streams)

    @property
    def default_track(self) -> int:
        """The place of the audio track that is converted where none is asked for, from 0 on.

        It can be decoded, has sound, is for everybody and has the default flag, as far as there is such a track.
        """
        is_counted = any(stream.frames for stream in self.audio_streams)

        def rank(place: int) -> tuple[bool, bool, bool]:
            stream, track = self.audio_streams[place], self.tracks[place]
            is_empty = not track.channels or (is_counted and not stream.frames)
            return (
                is_empty or not track.decodable,
                bool(stream.disposition & _FOR_SOME),
                not stream.disposition & Disposition.default,
            )

        return min(range(len(self.audio_streams)), key=rank, default=0)

    @property
    def parts_left_out(self) -> int:
        """Streams that belong to the first track but are not mixed into it: the rest of immersive audio."""
        return sum(1 for stream in self._container.streams.audio if stream.disposition & _DEPENDENT)

    @property
    def has_video(self) -> bool:
        """True when there is a picture, moving or not."""
        return bool(self._container.streams.video)

    @property
    def video_stream(self) -> VideoStream | None:
        """The first video; pictures that are attached to the file are none. To be read instead of the audio."""
        stills = Disposition.attached_pic | Disposition.timed_thumbnails
        return next((stream for stream in self._container.streams.video if not stream.disposition & stills), None)

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """The chapters that make sense, in order of time."""
        found = [_chapter(dict(chapter)) for chapter in self._container.chapters()[:MAX_CHAPTERS]]
        whole = [chapter for chapter in found if 0 <= chapter.start_s < chapter.end_s < MAX_DURATION_S]
        return tuple(sorted(whole, key=lambda chapter: chapter.start_s))

    @property
    def tags(self) -> dict[str, str]:
        """The file's own tags by FFmpeg's names. Untrusted."""
        in_stream = self.audio_streams[0].metadata if self.audio_streams and self.container == "ogg" else {}
        tags = {**in_stream, **self._container.metadata}
        return {key.lower(): text for key, text in tags.items()}

    @property
    def title(self) -> str | None:
        """The file's own title, in one line."""
        return clean_text(self.tags.get("title", "")) or None

    @property
    def duration_s(self) -> float | None:
        """The whole file's length, as it claims."""
        duration = self._container.duration
        return _bounded(duration / 1e6) if duration else None

    @property
    def start_s(self) -> Fraction:
        """Where the file's own time begins, in seconds."""
        return Fraction(self._container.start_time or 0, 1_000_000)

    def length_s(self, place: int, end_s: float | None) -> float | None:
        """Returns how much of an audio track is to be decoded, as the file claims.

        Args:
            place: among the audio tracks, from 0 on.
            end_s: where to stop, if not at the end.
        """
        length_s = self.tracks[place].duration_s or self.duration_s
        return length_s if length_s is None or end_s is None else min(length_s, end_s)

    def find_track(self, wanted: int | str | None) -> int:
        """Returns the place among the audio tracks, from 0 on, of the one of this number or language.

        Raises:
            NoAudio: there are no tracks.
            TrackNotFound: there is none like that.
        """
        if not self.audio_streams:
            raise NoAudio
        if wanted is None:
            return self.default_track
        if str(wanted).isdecimal():
            place = int(wanted) - 1
            if place >= len(self.audio_streams):
                raise TrackNotFound(f"There is no audio track {place + 1}; the file has {len(self.audio_streams)}.")
            return place
        for place, track in enumerate(self.tracks):
            if track.language and has_language(track.language, str(wanted)):
                return place
        languages = ", ".join(track.language or "not told" for track in self.tracks)
        raise TrackNotFound(f"No audio track has the language {wanted!r}; the languages are: {languages}.")

    def decoder(self, place: int = 0) -> "TrackDecoder":
        """Returns the decoder of an audio track, found with `find_track`.

        Raises:
            UndecodableAudio: it is of a kind that cannot be decoded.
        """
        stream = self.audio_streams[place]
        for other in self._container.streams:
            if other is not stream:
                other.discard = Discard.all
        return TrackDecoder(self._container, stream, lambda: self.is_cut_short)

    def picture(self) -> bytes:
        """Returns the picture that is attached to the file; nothing where there is none. To be called first."""
        attached = [stream for stream in self._container.streams.video if stream.disposition & Disposition.attached_pic]
        try:
            for packet in self._container.demux(attached[0]) if attached else ():
                return bytes(packet)
        except Exception as error:
            if out_of_memory(error):
                raise
        return b""

    @property
    def mp3_encoder(self) -> bytes | None:
        """The encoder that an MP3 file names, in nine bytes. Untrusted."""
        _, tag = info_tag_of(self._file.look_at) if self.container == "mp3" else (0, None)
        return tag.encoder if tag else None

    @property
    def is_cut_short(self) -> bool:
        """True when the file is shorter than it says."""
        declared = declared_size(self._file.look_at, self._size_bytes)
        return declared is not None and declared > self._size_bytes


def _open(file: SourceFile, probe_bytes: int = PROBE_BYTES, analyze_us: int = ANALYZE_US) -> InputContainer:
    options = {
        "format_whitelist": ",".join(FORMATS),
        "protocol_whitelist": "",
        "codec_whitelist": ",".join(DECODERS),
        "max_streams": str(MAX_STREAMS),
        "probesize": str(probe_bytes),
        "analyzeduration": str(analyze_us),
    }
    try:
        container = av.open(
            file,
            mode="r",
            container_options=options,
            metadata_errors="replace",
            buffer_size=IO_BUFFER_BYTES,
            io_open=_open_nothing,
        )
    except Exception as error:  # hostile files raise UnicodeDecodeError and IndexError too
        if out_of_memory(error):
            raise
        raise UnsupportedFormat from error
    assert isinstance(container, InputContainer)
    return container


def _open_nothing(*_: object) -> Any:
    """Refuses what a file refers to."""
    raise PermissionError("media may not open other files")


def _audio_streams(container: InputContainer) -> list[AudioStream]:
    streams = list(container.streams.audio)
    return [stream for stream in streams if not stream.disposition & _DEPENDENT] or streams


def _track(stream: AudioStream) -> Track:
    context, language = stream.codec_context, stream.language or ""
    duration = stream.duration * stream.time_base if stream.duration and stream.time_base else None
    return Track(
        codec=context.codec.canonical_name if context else "unknown",
        language=clean_text(language, MAX_LANGUAGES_LENGTH) or None if language != "und" else None,
        channels=context.layout.nb_channels if context else 0,
        sample_rate_hz=context.sample_rate if context else 0,
        duration_s=_bounded(float(duration)) if duration else None,
        decodable=context is not None and context.codec.name in DECODERS,
    )


def _chapter(chapter: dict[str, Any]) -> Chapter:
    time_base = chapter["time_base"] or Fraction(1, 1_000_000)
    start_s, end_s = (round(float(chapter[name] * time_base), 6) for name in ("start", "end"))
    return Chapter(start_s, end_s, clean_text(chapter["metadata"].get("title", "")) or None)


def _bounded(seconds: float) -> float | None:
    return seconds if 0 < seconds < MAX_DURATION_S else None


class TrackDecoder:
    """Decodes one track, in order, as far as it goes."""

    def __init__(self, container: InputContainer, stream: AudioStream, is_cut_short: Callable[[], bool]) -> None:
        self._container = container
        self._stream = stream
        self._largest_frame = 0
        self._end_pts = 0
        self._has_packets = False
        self._is_cut_short = is_cut_short
        self.damage = Damage()
        self.samples = 0
        """Samples per channel decoded so far."""
        context = stream.codec_context
        if context is None:
            raise UndecodableAudio("There is no decoder for the audio here.")
        if context.codec.name not in DECODERS:
            raise UndecodableAudio(f"The audio is of a kind that is not converted here ({context.codec.name}).")
        context.thread_count = 1
        self.codec: str = context.codec.canonical_name

    def frames(self) -> Iterator[tuple[AudioFrame, int]]:
        """Yields the decoded frames, each with the number of its samples that belong to the track.

        Raises:
            UndecodableAudio: nothing came out, or what cannot be sound.
        """
        held: AudioFrame | None = None  # only the last frame is trimmed, and which one that is shows afterwards
        for frame in self._all_frames():
            if held is not None:
                self.samples += held.samples
                yield held, held.samples
            held = frame
        if held is None:
            raise UndecodableAudio(_BROKEN if self._has_packets else _EMPTY)
        samples = held.samples - self._excess(held)
        self.samples += samples
        self.compare_with_promise(held.sample_rate)
        yield held, samples

    @property
    def truncated(self) -> bool:
        """True where something of the file is missing. To be asked at the end: it may look there."""
        return self.damage.truncated or self._is_cut_short()

    def _all_frames(self) -> Iterator[AudioFrame]:
        last: AudioFrame | None = None
        for packet in self.packets():
            try:
                frames = packet.decode()
            except Exception as error:  # hostile files raise more than FFmpeg's own errors
                if out_of_memory(error):
                    raise
                self.damage.packets += packet.size > 0
                if last is not None and packet.size > 0 and self._container.format.name in _FRAMED_FORMATS:
                    yield from self._silence(packet, last)
                continue
            for frame in frames:
                if frame.samples > 0:
                    _check(frame)
                    self._largest_frame = max(self._largest_frame, frame.samples)
                    last = frame
                    yield frame

    def _silence(self, packet: "av.Packet[AudioStream]", like: AudioFrame) -> Iterator[AudioFrame]:
        """Yields as much silence as the packet says it is long, or as frames are where it does not say."""
        samples = round((packet.duration or 0) * _time_base(self._stream) * like.sample_rate) or self._largest_frame
        samples = min(samples, MAX_PACKET_S * like.sample_rate)
        try:
            frame = AudioFrame(like.format.name, like.layout.name, samples)
        except ValueError:  # channels that have no names
            return
        frame.sample_rate = like.sample_rate
        for plane in frame.planes:
            plane.update((b"\x80" if like.format.name.startswith("u8") else b"\0") * plane.buffer_size)
        self.damage.silenced_samples += samples
        yield frame

    def packets(self) -> Iterator["av.Packet[AudioStream]"]:
        """Yields the packets as they are in the file, as far as they can be read; the last may be empty.

        Raises:
            UndecodableAudio: they are encrypted.
        """
        try:
            for packet in self._demux():
                if packet.has_sidedata("encryption_info"):
                    raise UndecodableAudio(_ENCRYPTED)
                self._end_pts = max(self._end_pts, (packet.pts or 0) + (packet.duration or 0))
                self._has_packets |= packet.size > 0
                yield packet
        except UndecodableAudio:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            self.damage.truncated = True

    def _demux(self) -> Iterator["av.Packet[AudioStream]"]:
        while True:
            try:
                yield from self._container.demux(self._stream)
            except IndexError:  # PyAV's, at the packet of a stream that appears on the way; the packet is consumed
                continue
            return

    def _excess(self, last: AudioFrame) -> int:
        """Returns the samples at the end of the last frame that lie beyond an MP4 track's length.

        Encoders of these codecs fill up their last frame; the edit list says by how much. ffmpeg cuts it
        off since version 9, the libraries that PyAV brings do not yet.
        """
        if "mp4" not in self._container.format.name or self.codec not in _TRIMMED_CODECS:
            return 0
        if not self._stream.frames or not self._stream.duration or last.pts is None or not last.time_base:
            return 0  # fragmented: the length is not the edit list's
        beyond_s = last.pts * last.time_base + Fraction(last.samples, last.sample_rate)
        excess = round((beyond_s - self._stream.duration * _time_base(self._stream)) * last.sample_rate)
        return excess if 0 < excess < last.samples else 0

    def compare_with_promise(self, sample_rate_hz: int) -> None:
        """Marks the file as truncated where the track ends too early."""
        if not self._stream.duration:
            return
        promised = self._stream.duration * _time_base(self._stream)
        if self._container.format.name in _SAMPLE_EXACT_FORMATS and self.codec.startswith(_SAMPLE_EXACT_CODECS):
            missing = round(promised * sample_rate_hz) - self.samples
            self.damage.truncated |= missing > self.damage.packets * self._largest_frame
        elif "mp4" in self._container.format.name:
            self.damage.truncated |= promised - self._end_pts * _time_base(self._stream) > 1


def _time_base(stream: AudioStream) -> Fraction:
    return stream.time_base or Fraction(1, 1_000_000)


def _check(frame: AudioFrame) -> None:
    channels = frame.layout.nb_channels
    if not 1 <= channels <= MAX_CHANNELS or not 1 <= frame.sample_rate <= MAX_SAMPLE_RATE_HZ:
        raise UndecodableAudio(f"The audio claims {channels} channels at {frame.sample_rate} Hz, which cannot be.")


def out_of_memory(error: Exception) -> bool:
    """Says whether this process is out of memory; FFmpeg says ENOMEM for absurd sizes in a file too."""
    return isinstance(error, MemoryError) and not isinstance(error, av.FFmpegError)
