"""An open file: its tracks, tags and chapters, with FFmpeg through PyAV. Runs in the child: the input is hostile."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from video2mp3.engine.chapters import Chapter
from video2mp3.engine.child.decoding.attached import FRONT, is_picture, rank_of, rank_of_type
from video2mp3.engine.child.decoding.decode import TrackDecoder, out_of_memory
from video2mp3.engine.child.decoding.mixing import MixedTracks
from video2mp3.engine.child.decoding.parts import Part, Parts, PartsDecoder
from video2mp3.engine.child.decoding.sample_reader import sample_reader
from video2mp3.engine.child.decoding.tracks import (
    MAX_DURATION_S,
    bounded,
    default_place,
    described,
    empty_tracks,
    is_dependent,
    listed_streams,
    place_of,
    title_of,
)
from video2mp3.engine.child.metadata.text_encoding import FALLBACK, MAC_ROMAN, TagDecoder
from video2mp3.engine.child.refusals.mp4_reasons import quicktime_reference
from video2mp3.engine.child.refusals.recognize import chosen_demuxer, demuxer_of, reason_not_opened, refuse_by_signature
from video2mp3.engine.child.refusals.soundless import is_protected
from video2mp3.engine.child.timeline import Clock, StartClock
from video2mp3.engine.containers import ogg
from video2mp3.engine.containers.attached_pictures import MAX_PICTURE_BYTES, attached_pictures
from video2mp3.engine.containers.declared_size import declared_size, info_tag_of
from video2mp3.engine.containers.ogg import Link
from video2mp3.engine.containers.riff import fact_samples
from video2mp3.engine.formats import DECODERS, FORMATS, MAX_STREAMS
from video2mp3.engine.mp3.frames import parse_header
from video2mp3.engine.mp3.id3 import clean_text
from video2mp3.engine.mp3.start import SEARCHED_BYTES, start_of_mp3
from video2mp3.engine.report import MAX_CHAPTERS, Track
from video2mp3.engine.source import SourceFile
from video2mp3.errors import EncryptedAudio, NoAudio, UndecodableAudio, UnsupportedFormat

PROBE_BYTES = 5_000_000
ANALYZE_US = 5_000_000
LATE_PROBE_BYTES = 64_000_000
LATE_ANALYZE_US = 1_000_000_000
"""For FLV without audio in its first seconds: its tracks are described by their first packets, not by the header."""
IO_BUFFER_BYTES = 128 * 1024

_TRANSPORT_FORMATS = ("mpegts", "mpeg")
_TIMED_FORMATS = (*_TRANSPORT_FORMATS, "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv", "ogg", "asf", "nut")
"""Containers whose packets have time stamps; in others, FFmpeg counts samples or bytes."""
_LATE_START_S = 10
"""A file that starts later was cut out of a longer recording: its clock begins with its first stream."""

_CLAIMS_LATIN_1 = ("aac", "ac3", "aiff", "asf", "dsf", "mp3", "tta", "wav")
"""Containers with ID3v2 tags, or with Latin-1 in UTF-16. Their texts are often in the code page of a country."""
_STILLS = Disposition.attached_pic | Disposition.timed_thumbnails


class Media:
    """One open file.

    Raises:
        UnsupportedFormat: no allowed demuxer accepts the file; the message says what it is.
        EncryptedAudio: the whole file is encrypted.
        ReferenceMovie: all audio is in other files.
    """

    def __init__(self, file: SourceFile, size_bytes: int) -> None:
        self._file = file
        self._file.read_samples = None
        self._size_bytes = size_bytes
        refuse_by_signature(file.look_at)
        if is_protected(file.look_at):
            raise EncryptedAudio
        if reference := quicktime_reference(file.look_at, size_bytes):
            raise reference
        self._link = _first_link(file, size_bytes)
        self._container = self._opened()
        if self.container == "mp3" and self._skip_garbage():
            self._container.close()
            self._container = self._opened()
        if self.container == "flv" and not self._container.streams.audio:
            self._container.close()
            self._container = self._opened(LATE_PROBE_BYTES, LATE_ANALYZE_US)
        self.audio_streams = listed_streams(self._container)
        self._all_chapters = self._container.chapters()
        self._decoded = self._tag_decoder().decoded

    def _opened(self, probe_bytes: int = PROBE_BYTES, analyze_us: int = ANALYZE_US) -> InputContainer:
        self._file.seek(0)
        file = self._file
        if self._link:
            file = self._file.part(0, self._size_bytes, self._link.limit)
            file.sequential = True
        try:
            return _open(file, probe_bytes, analyze_us, demuxer_of(self._file.look_at))
        except UnsupportedFormat as error:
            if self._skip_garbage():
                return self._opened(probe_bytes, analyze_us)
            self._file.seek(0)
            demuxer = chosen_demuxer(lambda: _open(self._file, probe_bytes, analyze_us))
            raise reason_not_opened(self._file.look_at, self._size_bytes, demuxer) from error

    def _skip_garbage(self) -> bool:
        """Lets the file start with its MP3 frames, and returns whether there is something else before them."""
        head = self._file.look_at(0, 4)
        if head.startswith(b"ID3") or parse_header(head):
            return False
        start = start_of_mp3(self._file.look_at(0, SEARCHED_BYTES))
        if start is None:
            return False
        self._file = self._file.part(start, self._size_bytes)
        self._size_bytes -= start
        return True

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
        return tuple(described(stream, self._decoded(title_of(stream))) for stream in self.audio_streams)

    @property
    def default_track(self) -> int:
        """Index of the audio track that is converted by default."""
        return default_place(self.audio_streams, self.tracks)

    @property
    def empty_tracks(self) -> list[int]:
        """The numbers of the audio tracks without any sound."""
        return empty_tracks(self.audio_streams, self.tracks)

    @property
    def dependent_streams(self) -> int:
        """Number of streams that belong to the first track but are not mixed into it, as in immersive audio."""
        return sum(map(is_dependent, self._container.streams.audio))

    @property
    def has_video(self) -> bool:
        """True if the file has video or pictures."""
        return bool(self._container.streams.video)

    @property
    def video_stream(self) -> VideoStream | None:
        """The first video stream, without attached pictures. Read it instead of the audio, not together with it."""
        return next((stream for stream in self._container.streams.video if not stream.disposition & _STILLS), None)

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """The valid chapters, sorted by time."""
        found = [self._chapter(dict(chapter)) for chapter in self._all_chapters[:MAX_CHAPTERS]]
        whole = [chapter for chapter in found if chapter.start_s < chapter.end_s < MAX_DURATION_S]
        return tuple(sorted(whole, key=lambda chapter: chapter.start_s))

    @property
    def chapters_left_out(self) -> int:
        """Number of chapters above the limit."""
        return max(len(self._all_chapters) - MAX_CHAPTERS, 0)

    @property
    def tags(self) -> dict[str, str]:
        """The file's tags by FFmpeg's names. Untrusted."""
        return {self._decoded(key).lower(): self._decoded(text) for key, text in self._raw_tags.items()}

    @property
    def _raw_tags(self) -> dict[str, str]:
        in_stream = self.audio_streams[0].metadata if self.audio_streams and self.container == "ogg" else {}
        return {**in_stream, **self._container.metadata}

    def _tag_decoder(self) -> TagDecoder:
        tags, chapters = self._raw_tags, self._all_chapters[:MAX_CHAPTERS]
        texts = [*tags, *tags.values(), *(title_of(stream) for stream in self.audio_streams)]
        texts += [chapter["metadata"].get("title", "") for chapter in chapters]
        if self.container in _CLAIMS_LATIN_1:
            return TagDecoder(texts, FALLBACK, texts)
        # FFmpeg repeats QuickTime's tags in Mac Roman under a name with the language.
        return TagDecoder(texts, MAC_ROMAN, [text for name, text in tags.items() if f"{name}-eng" in tags])

    @property
    def title(self) -> str | None:
        """The file's title, in one line."""
        return clean_text(self.tags.get("title", "")) or None

    @property
    def duration_s(self) -> float | None:
        """Duration of the file, as it claims."""
        duration = self._container.duration
        return bounded(duration / 1e6) if duration else None

    @property
    def zero_s(self) -> Fraction:
        """Zero of the file's clock, on the scale of its time stamps."""
        starts = [
            stream.start_time * stream.time_base
            for stream in self._container.streams
            if stream.type in ("audio", "video")
            and not stream.disposition & Disposition.attached_pic
            and stream.start_time is not None
            and stream.time_base
        ]
        first = min(starts, default=Fraction(0))
        return first if self.container in _TRANSPORT_FORMATS or first > _LATE_START_S else Fraction(0)

    def length_s(self, place: int, end_s: float | None) -> float | None:
        """Returns the duration of an audio track to decode, as the file claims.

        Args:
            place: index of the audio track.
            end_s: where to stop; None: at the end.
        """
        length_s = self.tracks[place].duration_s or self.duration_s
        start_time, time_base = self.audio_streams[place].start_time, self.audio_streams[place].time_base
        if length_s and start_time and time_base and self.container in _TRANSPORT_FORMATS:
            length_s += float(start_time * time_base - self.zero_s)
        return length_s if length_s is None or end_s is None else min(length_s, end_s)

    def find_track(self, wanted: int | str | None) -> int:
        """Returns the index of the audio track with this number or language.

        Raises:
            NoAudio: the file has no audio tracks.
            TrackNotFound: no track matches.
        """
        if not self.audio_streams:
            raise NoAudio
        return self.default_track if wanted in (None, "mix") else place_of(self.tracks, str(wanted))

    def decoder(self, place: int = 0) -> TrackDecoder:
        """Returns the decoder of an audio track, found with `find_track`.

        Raises:
            UndecodableAudio: it is of a kind that cannot be decoded.
        """
        stream = self.audio_streams[place]
        self._read_only([stream])
        self._skip_other_tracks(stream)
        parts = Parts(self._file, self._size_bytes, place, lambda file, demuxer: _open(file, demuxer=demuxer))
        first = Part(self._container, stream, link=self._link)
        decoder = PartsDecoder(first, parts, lambda: self.is_cut_short, self._clock(stream))
        if self.container == "wav":
            decoder.declared_samples = fact_samples(self._file.look_at, self._size_bytes)
        return decoder

    def _clock(self, stream: AudioStream) -> Clock | None:
        if not stream.time_base:
            return None
        if self.container == "avi":  # it declares when a stream starts, and counts the rest
            return StartClock(stream.time_base, self.zero_s)
        if self.container not in _TIMED_FORMATS:
            return None
        return Clock(stream.time_base, self.zero_s, is_transport=self.container in _TRANSPORT_FORMATS)

    def _skip_other_tracks(self, stream: AudioStream) -> None:
        """Reads only this track's samples, if the file is local and has an index, unlike fragments."""
        if self._file.prefetch is None or "mp4" not in self.container or not stream.frames:
            return
        reader = sample_reader(self._file.look_at, self._size_bytes, stream.index_entries, self._file.prefetch)
        self._file.read_samples = reader.read_at if reader else None

    def mixed(self, sample_rate_hz: int | None) -> MixedTracks:
        """Returns the mix of all audio tracks that can be decoded, at this sample rate; None: the highest of theirs.

        Raises:
            UndecodableAudio: there is none.
        """
        streams = {
            number: stream
            for number, (stream, track) in enumerate(zip(self.audio_streams, self.tracks, strict=True), 1)
            if track.decodable
        }
        if not streams:
            raise UndecodableAudio
        self._read_only(list(streams.values()))
        return MixedTracks(self._container, streams, lambda: self.is_cut_short, self._clock, sample_rate_hz)

    def pictures(self) -> list[bytes]:
        """Returns the pictures that are attached to the file, the front cover first. Call this first."""
        waiting = {
            s.index: s for s in self._container.streams.video if s.disposition & _STILLS == Disposition.attached_pic
        }
        found = [(rank_of(s.metadata), bytes(s.data)) for s in self._container.streams.attachments if is_picture(s)]
        try:
            for packet in self._container.demux(*waiting.values()) if waiting else ():
                data = bytes(packet) if packet.size <= MAX_PICTURE_BYTES else b""
                found.append((rank_of(packet.stream.metadata), data))
                waiting.pop(packet.stream.index, None)
                if not waiting:
                    break
        except Exception as error:
            if out_of_memory(error):
                raise
        if FRONT not in (rank for rank, _ in found):
            found += [(rank_of_type(kind), data) for kind, data in attached_pictures(self._file.look_at)]
        return [picture for _, picture in sorted(found, key=lambda ranked: ranked[0])]

    def _chapter(self, chapter: dict[str, Any]) -> Chapter:
        time_base = chapter["time_base"] or Fraction(1, 1_000_000)
        zero_s = self.zero_s
        start_s, end_s = (round(float(chapter[name] * time_base - zero_s), 6) for name in ("start", "end"))
        return Chapter(
            max(start_s, 0.0), end_s, clean_text(self._decoded(chapter["metadata"].get("title", ""))) or None
        )

    def _read_only(self, streams: Sequence[AudioStream]) -> None:
        for other in self._container.streams:
            if other not in streams:
                other.discard = Discard.all

    @property
    def mp3_encoder(self) -> bytes | None:
        """The encoder name in an MP3 file, nine bytes. Untrusted."""
        _, tag = info_tag_of(self._file.look_at) if self.container == "mp3" else (0, None)
        return tag.encoder if tag else None

    @property
    def is_cut_short(self) -> bool:
        """True if the file is shorter than it declares."""
        declared = declared_size(self._file.look_at, self._size_bytes)
        return declared is not None and declared > self._size_bytes


def _first_link(file: SourceFile, size_bytes: int) -> Link | None:
    """Returns the first link of a chained Ogg file, or None if it has one link, or is of another kind.

    The end of a growing file is not there yet, so it counts as chained.
    """
    if file.look_at(0, 4) != ogg.SIGNATURE or not (file.sequential or ogg.is_chained(file.look_at, size_bytes)):
        return None
    return Link(file.look_at, 0)


def _open(
    file: SourceFile, probe_bytes: int = PROBE_BYTES, analyze_us: int = ANALYZE_US, demuxer: str | None = None
) -> InputContainer:
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
            format=demuxer,
            container_options=options,
            metadata_errors="surrogateescape",
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
    """Refuses to open files that the media refers to."""
    raise PermissionError("media may not open other files")
