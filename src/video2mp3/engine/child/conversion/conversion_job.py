"""The input of a conversion in the child, and the interface of its converters."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from video2mp3.engine.child.audio.parallel import EncoderPool
from video2mp3.engine.child.decoding.media import Media
from video2mp3.engine.options import MAX_SEGMENTS, ResolvedOptions


@dataclass(frozen=True)
class ConversionJob:
    """The input of every pass over a track."""

    open_media: Callable[[], Media]
    sink: int
    options: ResolvedOptions
    source_name: str
    max_audio_s: float
    pool: EncoderPool
    offset_bytes: int = 0
    """Offset in the sink; the descriptor's position is there."""
    max_segments: int = MAX_SEGMENTS
    mix_gain_db: float = 0.0
    """Gain that keeps mixed tracks below full scale."""


class Converter(Protocol):
    """Converts one or more tracks."""

    @property
    def total_s(self) -> float | None:
        """Duration to decode in seconds, as the file claims."""

    def run(self) -> Iterator[float]:
        """Converts, and yields the seconds done whenever they change."""

    def facts(self) -> dict[str, Any]:
        """Returns the facts for the report."""

    def segments(self) -> list[dict[str, Any]]:
        """Returns the facts of each segment for the report."""
