"""The audio tracks of an open file: which are listed, how they are described, and which one is converted."""

from collections.abc import Sequence

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from video2mp3.engine.child.metadata.languages import has_language
from video2mp3.engine.formats import DECODERS
from video2mp3.engine.mp3.id3 import clean_text
from video2mp3.engine.report import TRACK_FLAGS, Track
from video2mp3.errors import TrackNotFound

MAX_DURATION_S = 10**7
MAX_LANGUAGES_LENGTH = 64
MAX_TITLE_LENGTH = 100

_FOR_SOME = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired
"""Commentary, audio description, clear dialogue: tracks that most listeners do not want."""
_DEPENDENT = 1 << 19
"""AV_DISPOSITION_DEPENDENT: a stream that belongs to another track, as in immersive audio."""


def listed_streams(container: InputContainer) -> list[AudioStream]:
    """Returns the audio streams that are separate tracks; if there is none, all audio streams."""
    streams = list(container.streams.audio)
    return [stream for stream in streams if not is_dependent(stream)] or streams


def is_dependent(stream: AudioStream) -> bool:
    """Returns True for a stream that belongs to another track, as in immersive audio."""
    return bool(stream.disposition & _DEPENDENT)


def described(stream: AudioStream, title: str) -> Track:
    """Returns what is told about a track with this decoded title."""
    context, language = stream.codec_context, stream.language or ""
    duration = stream.duration * stream.time_base if stream.duration and stream.time_base else None
    return Track(
        codec=context.codec.canonical_name if context else "unknown",
        language=clean_text(language, MAX_LANGUAGES_LENGTH) or None if language != "und" else None,
        title=clean_text(title, MAX_TITLE_LENGTH) or None,
        flags=tuple(flag for flag in TRACK_FLAGS if stream.disposition & Disposition[flag]),
        channels=context.layout.nb_channels if context else 0,
        sample_rate_hz=context.sample_rate if context else 0,
        duration_s=bounded(float(duration)) if duration else None,
        decodable=context is not None and context.codec.name in DECODERS,
    )


def title_of(stream: AudioStream) -> str:
    """Returns the title as the file has it: Matroska's `title` or MP4's `name`."""
    return stream.metadata.get("title") or stream.metadata.get("name", "")


def bounded(seconds: float) -> float | None:
    """Returns a duration that a file claims, in seconds; None if no file can have it."""
    return seconds if 0 < seconds < MAX_DURATION_S else None


def empty_tracks(streams: Sequence[AudioStream], tracks: Sequence[Track]) -> list[int]:
    """Returns the numbers of the tracks without any sound."""
    is_counted = any(stream.frames for stream in streams)
    return [
        number
        for number, (stream, track) in enumerate(zip(streams, tracks, strict=True), 1)
        if not track.channels or (is_counted and not stream.frames)
    ]


def default_place(streams: Sequence[AudioStream], tracks: Sequence[Track]) -> int:
    """Returns the index of the track that is converted by default.

    If possible, it is decodable, not empty, meant for everybody, and has the default flag, in this order.
    """
    empty = empty_tracks(streams, tracks)

    def rank(place: int) -> tuple[bool, bool, bool]:
        stream, track = streams[place], tracks[place]
        return (
            place + 1 in empty or not track.decodable,
            bool(stream.disposition & _FOR_SOME),
            not stream.disposition & Disposition.default,
        )

    return min(range(len(tracks)), key=rank, default=0)


def place_of(tracks: Sequence[Track], wanted: str) -> int:
    """Returns the index of the track with this number, counted from 1, or language.

    Raises:
        TrackNotFound: no track matches.
    """
    if wanted.isdecimal():
        place = int(wanted) - 1
        if place >= len(tracks):
            raise TrackNotFound(f"There is no audio track {place + 1}; the file has {len(tracks)}.")
        return place
    for place, track in enumerate(tracks):
        if track.language and has_language(track.language, wanted):
            return place
    languages = ", ".join(track.language or "not told" for track in tracks)
    raise TrackNotFound(f"No audio track has the language {wanted!r}; the languages are: {languages}.")
