"""Results of the engine: progress, probes, waveforms and reports."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from video2mp3.engine.chapters import Chapter

WAVEFORM_POINTS = 1000
"""A waveform has this many points, or up to twice as many; fewer if the audio is shorter than two seconds."""
MAX_CHAPTERS = 4000
"""Of one file. With their titles they fit into one message."""
MAX_REPORTED_GAPS = 100
LOUDEST = 128
"""The highest possible peak of a waveform: full scale."""
TRACK_FLAGS = (
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired", "visual_impaired",
    "clean_effects", "non_diegetic", "descriptions",
)  # fmt: skip
"""FFmpeg's names of the flags of audio tracks: `comment` is commentary, `visual_impaired` audio description."""


@dataclass(frozen=True)
class Progress:
    """The progress of a conversion."""

    done_s: float
    """Seconds of audio done so far. Decoding counts as a tenth of the work, encoding as the rest."""
    total_s: float | None
    """Seconds of audio in total, as the file claims; at the end, as they were."""
    is_finished: bool = False
    """True in the last report of a conversion that succeeded."""

    @property
    def percent(self) -> int:
        """Whole percent; at most 99 while it runs, 0 where the length is not known, 100 at the end."""
        if self.is_finished:
            return 100
        # Bounded before rounding: a tiny total makes the quotient infinite.
        return int(max(0.0, min(99.0, 100 * self.done_s / self.total_s))) if self.total_s else 0


@dataclass(frozen=True)
class Track:
    """One audio track of a file. The texts come from the file: untrusted."""

    codec: str
    language: str | None
    title: str | None
    flags: tuple[str, ...]
    """What the track is marked as, by ffmpeg's names (`TRACK_FLAGS`)."""
    channels: int
    sample_rate_hz: int
    duration_s: float | None
    decodable: bool
    """False if the engine has no decoder for this codec."""


@dataclass(frozen=True)
class Probe:
    """The contents of a file, found without decoding it."""

    container: str
    tracks: tuple[Track, ...]
    duration_s: float | None
    chapters: tuple[Chapter, ...]
    title: str | None
    has_video: bool
    tags: dict[str, str]
    """The tags of the MP3 with the given options, by the names of options, `album_artist`, `composer` or `disc`."""
    cover: str | None
    """Media type of the MP3's cover if it is a picture of the file."""
    estimated_size_bytes: int | None
    """Size of the MP3 with the given options."""
    estimated_time_s: float | None
    """Time for the conversion on this machine without other load."""
    warnings: tuple[str, ...]
    """Sentences for people."""

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Waveform:
    """The peaks of audio over time."""

    duration_s: float
    step_s: float
    """The time from one point to the next."""
    peaks: tuple[int, ...]
    """The highest peak of all channels in each step, from 0 to LOUDEST."""


@dataclass(frozen=True)
class Segment:
    """One MP3 of a conversion. Several segments follow each other without gaps in the output."""

    offset_bytes: int
    """Offset in the output."""
    size_bytes: int
    sha256: str
    track: int
    """The number of its track, from 1."""
    start_s: float
    """Start time in the source."""
    samples: int
    """Samples per channel that it decodes to."""
    duration_s: float
    title: str | None
    """Untrusted."""
    waveform: Waveform | None = None
    """Recorded while encoding; None if the MP3 was copied."""


@dataclass(frozen=True)
class PlannedSegment:
    """One MP3 that a split would make."""

    track: int
    """The number of its track, from 1."""
    start_s: float
    """Start time in the source."""
    duration_s: float
    title: str | None
    """Untrusted."""


@dataclass(frozen=True)
class Gap:
    """A place where the source has no sound."""

    start_s: float
    """On the source's clock."""
    duration_s: float


@dataclass(frozen=True)
class Timeline:
    """What the time stamps of a track say; docs/timeline.md explains it. Of several tracks, the longest silence at the
    beginning, the largest drift, and sums."""

    leading_silence_s: float
    """Time without sound at the beginning; 0 if it is 50 ms at most."""
    gaps: tuple[Gap, ...]
    """The first 100 gaps after that."""
    gap_count: int
    gaps_s: float
    """Sum of all gaps."""
    discontinuities: int
    """Places at which the time stamps begin anew; the sound is joined there."""
    drift_s: float
    """By how much the time stamps advance more than the samples, apart from gaps; negative: less."""


@dataclass(frozen=True)
class Report:
    """The facts of a finished conversion; with several segments, their totals."""

    container: str
    tracks: tuple[Track, ...]
    track: int
    """The number of the converted track, from 1. If several were converted, this and other facts of one track refer to
    the first one."""
    mixed_tracks: tuple[int, ...]
    """The numbers of the tracks that were mixed, and that the facts of one track then refer to; empty if none were."""
    codec: str
    """Codec of the converted track."""
    sample_rate_hz: int
    """Sample rate of the source."""
    channels: int
    """Channels of the source."""
    samples_in: int
    """Samples per channel that the source decoded to."""
    mp3_sample_rate_hz: int
    mp3_channels: int
    samples: int
    """Samples per channel that the MP3 decodes to."""
    duration_s: float
    frames: int
    """MP3 frames of audio."""
    size_bytes: int
    sha256: str
    title: str | None
    segments: tuple[Segment, ...]
    """The MP3s, at least one, in output order."""
    damaged_packets: int
    """Packets of the source that did not decode."""
    silenced_samples: int
    """Samples per channel that are silence in the MP3 because their packets were damaged."""
    timeline: Timeline
    truncated: bool
    """The source ends before its container says so."""
    loudness: dict[str, float] | None
    """If a loudness was requested: `source_lufs`, `source_true_peak_dbtp`, `gain_db`, and of the MP3 `lufs` and
    `true_peak_dbtp`."""
    encoder: dict[str, Any]
    decode_s: float
    encode_s: float
    warnings: tuple[str, ...] = field(default=())
    """Sentences for people."""

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON, without the waveforms, which are large."""
        plain = replace(self, segments=tuple(replace(segment, waveform=None) for segment in self.segments))
        values = asdict(plain)
        for segment in values["segments"]:
            del segment["waveform"]
        return values
