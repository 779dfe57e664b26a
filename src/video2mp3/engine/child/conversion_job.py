"""What a conversion in the child is given, and what it offers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from video2mp3.engine.child.audio.parallel import EncoderPool
from video2mp3.engine.child.media import Media
from video2mp3.engine.options import MAX_SEGMENTS, ResolvedOptions


@dataclass(frozen=True)
class ConversionJob:
    """What every pass over a track needs."""

    open_media: Callable[[], Media]
    sink: int
    options: ResolvedOptions
    source_name: str
    max_audio_s: float
    pool: EncoderPool
    offset_bytes: int = 0
    """Where in the sink to write; it stands there."""
    max_segments: int = MAX_SEGMENTS


class Converter(Protocol):
    """A conversion of one track or more."""

    @property
    def total_s(self) -> float | None:
        """The length to be decoded, as the file claims, in seconds."""

    def run(self) -> Iterator[float]:
        """Converts, and yields the seconds done, as often as there is something to say."""

    def facts(self) -> dict[str, Any]:
        """Returns the facts for the report."""

    def segments(self) -> list[dict[str, Any]]:
        """Returns the facts of each segment for the report."""
