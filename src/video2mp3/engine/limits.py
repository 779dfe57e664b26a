"""What one conversion may use."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one conversion; the process that does it is killed where it goes beyond one."""

    max_audio_s: float = 24 * 3600.0
    """Longest audio converted, counted in decoded seconds, whatever the file claims."""
    wall_clock_s: float = 4 * 3600.0
    """Longest time one conversion may take."""
    no_progress_s: float = 60.0
    """Longest time without one more decoded sample; time spent waiting for the source is not counted."""
    memory_bytes: int = 1024**3
    """Address space of the process (much more than it ever uses: libraries and stacks count too)."""

    threads: int | None = None
    """Encoders that run at once; None: as many as there are processors for this process. The MP3 is the same."""

    def as_dict(self) -> dict[str, float | None]:
        """Returns the limits as plain values."""
        return asdict(self)
