"""What the engine reports about a conversion and about a file."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

WAVEFORM_POINTS = 1000
"""A waveform has so many points, or up to twice as many; fewer of a sound shorter than a second or two."""
LOUDEST = 128
"""The highest peak of a waveform: full scale."""


@dataclass(frozen=True)
class Progress:
    """How far a conversion is."""

    done_s: float
    """Seconds of audio done so far. A second counts a tenth when it is decoded, and the rest when it is encoded."""
    total_s: float | None
    """Seconds of audio to be done, as the file claims."""

    @property
    def percent(self) -> int:
        """Whole percent; at most 99 while it runs, 0 where the length is not known."""
        # Bounded before it is made whole: a tiny length makes it infinite.
        return int(max(0.0, min(99.0, 100 * self.done_s / self.total_s))) if self.total_s else 0


@dataclass(frozen=True)
class Track:
    """One audio track of a file. The texts come from the file: untrusted."""

    codec: str
    language: str | None
    channels: int
    sample_rate_hz: int
    duration_s: float | None
    decodable: bool
    """False: there is no decoder for this kind of audio here."""


@dataclass(frozen=True)
class Chapter:
    """A chapter of a file. The title comes from the file: untrusted."""

    start_s: float
    end_s: float
    title: str | None


@dataclass(frozen=True)
class Probe:
    """What is in a file, without decoding it."""

    container: str
    tracks: tuple[Track, ...]
    duration_s: float | None
    chapters: tuple[Chapter, ...]
    title: str | None
    has_video: bool
    estimated_size_bytes: int | None
    """Of the MP3, with the options given."""
    estimated_time_s: float | None
    """To convert it here, where nothing else is done at the same time."""
    warnings: tuple[str, ...]
    """Sentences for people."""

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values that JSON can hold."""
        return asdict(self)


@dataclass(frozen=True)
class Waveform:
    """How loud a sound is, from its start to its end."""

    duration_s: float
    step_s: float
    """The time from one point to the next."""
    peaks: tuple[int, ...]
    """The highest peak of all channels in each step, from 0 to LOUDEST."""


@dataclass(frozen=True)
class Segment:
    """One MP3 of those that a conversion made; they stand one directly after the other."""

    offset_bytes: int
    """Where in what was written it begins."""
    size_bytes: int
    sha256: str
    track: int
    """The number of the track that it is of, from 1 on."""
    start_s: float
    """Where in the source's time it begins."""
    samples: int
    """Samples per channel that it decodes to."""
    duration_s: float
    title: str | None
    """Untrusted."""
    waveform: Waveform | None = None
    """As it was encoded; None if the MP3 was copied."""


@dataclass(frozen=True)
class Report:
    """The facts of a finished conversion; where it made several MP3s, those of all of them together."""

    container: str
    tracks: tuple[Track, ...]
    track: int
    """The number of the track that was converted, from 1 on; of several the first, as in all that is of one track."""
    codec: str
    """Of the track that was converted."""
    sample_rate_hz: int
    """Of the source."""
    channels: int
    """Of the source."""
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
    """The MP3s, one at least, in the order in which they were written."""
    damaged_packets: int
    """Packets of the source that did not decode."""
    silenced_samples: int
    """Samples per channel of the source that are silence in the MP3, in the place of damaged packets."""
    truncated: bool
    """The source ends before its container says so."""
    loudness: dict[str, float] | None
    """Where a loudness was asked for: `source_lufs`, `source_true_peak_dbtp`, `gain_db`, and of the MP3 `lufs` and
    `true_peak_dbtp`."""
    encoder: dict[str, Any]
    decode_s: float
    encode_s: float
    warnings: tuple[str, ...] = field(default=())
    """Sentences for people."""

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values that JSON can hold, without the waveforms: they are many numbers."""
        plain = replace(self, segments=tuple(replace(segment, waveform=None) for segment in self.segments))
        values = asdict(plain)
        for segment in values["segments"]:
            del segment["waveform"]
        return values
