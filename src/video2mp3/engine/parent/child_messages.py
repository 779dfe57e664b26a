"""Parses the child's messages and validates every field, because hostile media may control the child."""

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from video2mp3.engine.chapters import Chapter
from video2mp3.engine.containers.streamability import MAX_DURATION_S, MAX_INDEX_BYTES, MoreNeeded, StreamInfo
from video2mp3.engine.options import ResolvedOptions
from video2mp3.engine.parent import estimate
from video2mp3.engine.parent.fields import Fields
from video2mp3.engine.report import (
    LOUDEST,
    MAX_CHAPTERS,
    MAX_REPORTED_GAPS,
    TRACK_FLAGS,
    WAVEFORM_POINTS,
    Gap,
    Probe,
    Progress,
    Timeline,
    Track,
    Waveform,
)
from video2mp3.errors import (
    AudioTooLong,
    BlockedReason,
    CorruptAudio,
    DamagedAudio,
    EmptyAudio,
    EncryptedAudio,
    EngineCrashed,
    EngineError,
    IncompleteFile,
    InvalidCover,
    MediaError,
    NoAudio,
    NoPicture,
    NotMp3,
    ReferenceMovie,
    StartOutOfRange,
    StorageFull,
    TooManySegments,
    TrackNotFound,
    TracksFarApart,
    UndecodableAudio,
    UnsupportedFormat,
    Video2mp3Error,
)

_LOUDNESS_LIMITS = {
    "silence": "The sound is silent, so no gain gives it a loudness.",
    "short": "The sound is shorter than 0.4 s, too short to have a loudness, so its gain is left as it is.",
    "quiet": "The sound is quieter than -70 LUFS, which counts as silence, so its gain is left as it is.",
    "peaks": "The MP3 is quieter than asked for ({lufs:.1f} LUFS): louder, its peaks would be clipped.",
    "encoder": "The MP3 has {lufs:.1f} LUFS instead of {wanted_lufs:g}: the encoder changes it at this bitrate.",
}
"""Why the MP3 has another loudness than requested, by the child's codes."""
_NOTICEABLE_DRIFT_S = 0.1
"""Rather less than what viewers notice between picture and sound."""
_NOTICEABLE_SILENCE_S = 0.3
"""Nobody hears that a recording begins a little late; the report has it all the same."""
_MAX_PEAKS_TEXT = -(-2 * WAVEFORM_POINTS // 3) * 4
"""In base64."""
_FOR_SOME = {
    "comment": "is a commentary",
    "visual_impaired": "is an audio description",
    "hearing_impaired": "is for the hearing-impaired",
}
"""Why a track with this flag is not converted by default."""
_MAX_REASONS = 3
_TAGS = ("title", "artist", "album", "album_artist", "composer", "genre", "date", "track", "disc", "comment")
_COVER_TYPES = ("image/jpeg", "image/png")
_ERRORS: dict[str, type[Video2mp3Error]] = {
    error.code: error
    for error in (
        UnsupportedFormat,
        IncompleteFile,
        ReferenceMovie,
        NoAudio,
        UndecodableAudio,
        EmptyAudio,
        EncryptedAudio,
        CorruptAudio,
        AudioTooLong,
        TrackNotFound,
        TracksFarApart,
        StartOutOfRange,
        TooManySegments,
        NotMp3,
        DamagedAudio,
        NoPicture,
        InvalidCover,
        EngineError,
        StorageFull,
    )
}


@dataclass(frozen=True)
class ReportedSegment:
    """A segment as the child reports it. Untrusted."""

    offset_bytes: int
    size_bytes: int
    track: int
    start_s: float
    samples: int
    frames: int
    sample_rate_hz: int
    channels: int
    title: str | None
    waveform: Waveform | None = None
    """None if the MP3 was copied."""


def progress_of(values: object) -> Progress:
    """Parses a progress message."""
    fields = Fields(values)
    return Progress(done_s=fields.seconds_field("done_s"), total_s=fields.optional_seconds_field("total_s"))


def segment_of(values: object) -> ReportedSegment:
    """Parses a segment message."""
    fields = Fields(values)
    segment = ReportedSegment(
        offset_bytes=fields.int_field("offset_bytes"),
        size_bytes=fields.int_field("size_bytes"),
        track=fields.int_field("track"),
        start_s=fields.seconds_field("start_s"),
        samples=fields.int_field("samples"),
        frames=fields.int_field("frames"),
        sample_rate_hz=fields.int_field("sample_rate_hz"),
        channels=fields.int_field("channels"),
        title=fields.optional_str_field("title"),
    )
    recorded = fields.values.get("waveform")
    return segment if recorded is None else replace(segment, waveform=_recorded(Fields(recorded), segment))


def _recorded(fields: Fields, segment: ReportedSegment) -> Waveform:
    """Parses the waveform of a segment; its length must match the segment."""
    step_samples = fields.int_field("step_samples")
    peaks = _decoded(fields.values.get("peaks"))
    if not segment.sample_rate_hz or not step_samples or max(peaks, default=0) > LOUDEST:
        raise EngineCrashed
    if abs(len(peaks) - segment.samples / step_samples) > 2:  # a segment may begin and end within a step
        raise EngineCrashed
    rate_hz = segment.sample_rate_hz
    return Waveform(segment.samples / rate_hz, step_samples / rate_hz, tuple(peaks))


def _decoded(text: object) -> bytes:
    if not isinstance(text, str) or len(text) > _MAX_PEAKS_TEXT:
        raise EngineCrashed
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise EngineCrashed from None


def error_of(message: Mapping[str, Any]) -> Video2mp3Error:
    """Parses an error message; an error that the child cannot have is a crash."""
    code = message.get("error")
    error = _ERRORS.get(code) if isinstance(code, str) else None
    if error is None:
        return EngineCrashed()
    sentence = Fields(message).str_field("detail") if issubclass(error, MediaError) else ""
    return error(sentence or None)


def tracks_of(fields: Fields) -> tuple[Track, ...]:
    """Returns the audio tracks."""
    return tuple(
        Track(
            codec=track.str_field("codec"),
            language=track.optional_str_field("language"),
            title=track.optional_str_field("title"),
            flags=_flags_of(track),
            channels=track.int_field("channels"),
            sample_rate_hz=track.int_field("sample_rate_hz"),
            duration_s=track.optional_seconds_field("duration_s"),
            decodable=track.bool_field("decodable"),
        )
        for track in fields.list_field("tracks")
    )


def _flags_of(track: Fields) -> tuple[str, ...]:
    flags = track.str_list_field("flags")
    if len(flags) > len(TRACK_FLAGS) or not set(flags).issubset(TRACK_FLAGS):
        raise EngineCrashed
    return flags


def tags_of(fields: Fields) -> dict[str, str]:
    """Returns the tags of a probe."""
    found = Fields(fields.values.get("tags"))
    return {name: text for name in _TAGS if (text := found.optional_str_field(name))}


def loudness_of(fields: Fields) -> dict[str, float] | None:
    """Returns the measured loudness, or None."""
    if fields.values.get("loudness") is None:
        return None
    found = Fields(fields.values["loudness"])
    names = ("source_lufs", "source_true_peak_dbtp", "gain_db", "lufs", "true_peak_dbtp")
    return {name: found.level_field(name) for name in names}


def loudness_warnings(fields: Fields, wanted_lufs: float | None) -> tuple[str, ...]:
    """Returns a warning with the reason if the requested loudness was not reached."""
    found = loudness_of(fields)
    limit = Fields(fields.values["loudness"]).optional_str_field("limited_by") if found else None
    if found is None or limit is None:
        return ()
    if limit not in _LOUDNESS_LIMITS:
        raise EngineCrashed
    return (_LOUDNESS_LIMITS[limit].format(lufs=found["lufs"], wanted_lufs=wanted_lufs or 0),)


def timeline_of(fields: Fields) -> Timeline:
    """Returns what the time stamps say."""
    found = fields.object_field("timeline")
    return Timeline(
        leading_silence_s=found.seconds_field("leading_silence_s"),
        gaps=tuple(
            Gap(gap.seconds_field("start_s"), gap.seconds_field("duration_s"))
            for gap in found.list_field("gaps", MAX_REPORTED_GAPS)
        ),
        gap_count=found.int_field("gap_count"),
        gaps_s=found.seconds_field("gaps_s"),
        discontinuities=found.int_field("discontinuities"),
        drift_s=found.difference_field("drift_s"),
    )


def timeline_warnings(fields: Fields, options: ResolvedOptions) -> tuple[str, ...]:
    """Returns warnings about what the time stamps say."""
    found = timeline_of(fields)
    fate = "left out" if options.timing == "packed" else "silence in the MP3"
    warnings = []
    if found.leading_silence_s > _NOTICEABLE_SILENCE_S:
        warnings.append(f"The sound begins {found.leading_silence_s:.2f} s after the file's start; this is {fate}.")
    if found.gaps:
        count = f"{found.gap_count} gaps" if found.gap_count > 1 else "a gap"
        first, total = found.gaps[0], f"{found.gaps_s:.2f} s"
        warnings.append(f"The sound has {count} of {total} in all, from {first.start_s:.2f} s on; this is {fate}.")
    if found.discontinuities:
        times = f"{found.discontinuities} times" if found.discontinuities > 1 else "once"
        warnings.append(f"The file's clock begins anew {times}; the sound is joined there.")
    if abs(found.drift_s) > _NOTICEABLE_DRIFT_S:
        direction = "shorter" if found.drift_s > 0 else "longer"
        warnings.append(
            f"The sound is {abs(found.drift_s):.2f} s {direction} than its time stamps say; the MP3 keeps it as it is."
        )
    return tuple(warnings)


def chapters_of(fields: Fields) -> tuple[Chapter, ...]:
    """Returns the chapters."""
    return tuple(
        Chapter(chapter.seconds_field("start_s"), chapter.seconds_field("end_s"), chapter.optional_str_field("title"))
        for chapter in fields.list_field("chapters", MAX_CHAPTERS)
    )


def waveform_of(values: object) -> Waveform:
    """Parses a waveform message."""
    fields = Fields(values)
    peaks = fields.int_list_field("peaks", 2 * WAVEFORM_POINTS)
    if any(peak > LOUDEST for peak in peaks):
        raise EngineCrashed
    return Waveform(fields.seconds_field("duration_s"), fields.seconds_field("step_s"), peaks)


def probe_of(values: object, options: ResolvedOptions, threads: int, size_bytes: int) -> Probe:
    """Returns what is in the file.

    Args:
        values: what the child said.
        options: for the estimates.
        threads: those that would encode.
        size_bytes: of the file.
    """
    fields = Fields(values)
    tracks = tracks_of(fields)
    warnings = []
    if no_sound := fields.optional_str_field("no_sound"):
        warnings.append(no_sound)
    if fields.bool_field("cut_short"):
        warnings.append("The file is shorter than it says: it was cut short, and the MP3 will be too.")
    duration_s = fields.optional_seconds_field("duration_s")
    size, time_s = _estimates(fields, tracks, options, threads, size_bytes)
    return Probe(
        container=fields.str_field("container"),
        tracks=tracks,
        duration_s=duration_s,
        chapters=chapters_of(fields),
        title=fields.optional_str_field("title"),
        has_video=fields.bool_field("has_video"),
        tags=tags_of(fields),
        cover=cover if (cover := fields.optional_str_field("cover")) in _COVER_TYPES else None,
        estimated_size_bytes=size,
        estimated_time_s=time_s,
        warnings=(*warnings, *file_warnings(fields, options.track)),
    )


def _estimates(
    fields: Fields, tracks: Sequence[Track], options: ResolvedOptions, threads: int, size_bytes: int
) -> tuple[int | None, float | None]:
    """Returns the estimated size of the MP3s and the estimated time; None if unknown."""
    duration_s = fields.optional_seconds_field("duration_s")
    first = fields.int_field("default_track") - 1
    places = range(len(tracks)) if options.all_tracks or options.mixes_tracks else (first,)
    with_sound = set(places) - {number - 1 for number in fields.int_list_field("empty_tracks")}
    chosen = [track for place, track in enumerate(tracks) if place in with_sound and track.decodable]
    if options.mixes_tracks:
        chosen = sorted(chosen, key=lambda track: (track.duration_s or 0, track.channels))[-1:]
    lengths_s = [estimate.wanted_s(options, track.duration_s or duration_s) for track in chosen]
    known_s = [length_s for length_s in lengths_s if length_s is not None]
    if not chosen or len(known_s) < len(chosen):
        return None, None
    time_s = estimate.time_s(options, threads, sum(known_s))
    if not options.copy:
        sizes = (estimate.size_bytes(options, t.channels, s) for t, s in zip(chosen, known_s, strict=True))
        return sum(sizes), time_s
    if fields.bool_field("has_video") or not duration_s:
        return None, time_s
    return round(size_bytes * min(max(known_s) / duration_s, 1)), time_s


def file_warnings(fields: Fields, chosen: int | str | None) -> tuple[str, ...]:
    """Returns warnings about what is not taken from the file: tracks, chapters, its picture.

    Args:
        fields: of a probe or a report.
        chosen: the requested track.
    """
    return (*_track_warnings(fields, chosen), *_chapter_warnings(fields), *_picture_warnings(fields))


def _track_warnings(fields: Fields, chosen: int | str | None = None) -> tuple[str, ...]:
    """Returns warnings about tracks that are not converted."""
    tracks, number = tracks_of(fields), fields.int_field("default_track")
    dependent = fields.int_field("dependent_streams")
    warnings = []
    continued = fields.int_list_field("tracks_continued")  # the same track with another PID
    if len(tracks) - len(continued) > 1 and chosen is None:
        why = _why_chosen(tracks, number, fields.int_list_field("empty_tracks"))
        warnings.append(f"Only track {number} of {len(tracks)} audio tracks is converted: {why}.")
    if dependent:
        warnings.append(f"The audio is immersive; only the first of its {dependent + 1} streams is converted.")
    return tuple(warnings)


def _why_chosen(tracks: Sequence[Track], number: int, empty: Collection[int]) -> str:
    """Returns why a track is converted rather than the others: what is wrong with those before it, or its flag."""
    before = enumerate(tracks[: max(number - 1, 0)], 1)
    reasons = [f"track {place} {why}" for place, track in before if (why := _why_not(track, place in empty))]
    if reasons:
        return ", ".join(reasons[:_MAX_REASONS])
    flagged = any("default" in track.flags for track in tracks[max(number - 1, 0) : number])
    return "it is the default" if flagged else "it comes first"


def _why_not(track: Track, is_empty: bool) -> str | None:
    if not track.decodable:
        return "cannot be decoded"
    if is_empty:
        return "is empty"
    return next((what for flag, what in _FOR_SOME.items() if flag in track.flags), None)


def _chapter_warnings(fields: Fields) -> tuple[str, ...]:
    """Returns a warning if the file has more chapters than are read."""
    if not (left_out := fields.int_field("chapters_left_out")):
        return ()
    return (f"The file has {MAX_CHAPTERS + left_out} chapters; only the first {MAX_CHAPTERS} are used.",)


def _picture_warnings(fields: Fields) -> tuple[str, ...]:
    """Returns a warning if the file's picture is not used."""
    kind = fields.optional_str_field("unusable_picture")
    if kind is None:
        return ()
    if kind == "damaged":
        return ("The file's picture is damaged and is not used as the cover.",)
    return (f"The file's picture is not used as the cover: {kind} is not converted.",)


def stream_of(values: object) -> StreamInfo | MoreNeeded:
    """Returns how a file can be converted while it arrives, or how much of it decides that."""
    fields = Fields(values)
    if "needed_bytes" in fields.values:
        needed_bytes = fields.int_field("needed_bytes")
        if needed_bytes > MAX_INDEX_BYTES:
            raise EngineCrashed
        return MoreNeeded(needed_bytes)
    reason = fields.values.get("blocked_reason")
    if reason is not None and reason not in get_args(BlockedReason):
        raise EngineCrashed
    duration_s = fields.optional_seconds_field("duration_s")
    if duration_s is not None and duration_s >= MAX_DURATION_S:
        raise EngineCrashed
    return StreamInfo(reason, duration_s, fields.bool_field("sequential"))
